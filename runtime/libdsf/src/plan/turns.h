// turns: a batch is run a few images at a time, so that what one step writes is still in a cache when the next reads it
//
// Steps form stretches. A turn of a stretch takes some of the images through its steps; before that, the stretch before
// it has brought the same images there, in turns of its own that are smaller. So the loops are nested: with stretches of
// 1, 2 and 8 images, A B C their steps,
//
//   A A B  A A B  A A B  A A B  C        8 images
//
// The first layers of a network write much for each image and read few weights; the last ones write little, and read
// weights that are worth having more images for. The last stretch takes the whole batch: steps that do not treat every
// image alone (Op::each_image) are there, and all after them.
//
// A value that a later stretch reads has room for the images of a turn of that stretch; each image's numbers lie together
// in it. Within a stretch the batch may be any axis, as it is in many transformers.
#pragma once

#include <vector>

#include "fusion.h"
#include "plan.h"

namespace dsf {

struct Turns {
    std::vector<int> batch_axes;     // by value, copies of a layout too: the axis along which it holds the batch, or -1
    std::vector<Stretch> stretches;  // at least one; the last takes the whole batch, and may be of no step
};

Turns cut_into_turns(const Model& model, const std::vector<Group>& groups, const Lives& lives,
                     const std::vector<int>& shown, const std::vector<TensorType>& types, int64_t batch);

}  // namespace dsf
