"""Training: recipes, data, fit(), and what `dscompress train` does with them.

from dscompress import training

data = training.digits()
history = training.fit(model, data, training.recipe_named("ps-digits-pretrained"), seed=0)
print(history.accuracy)
"""

from dscompress.recipes import RECIPES, Recipe, recipe_named, usual_recipe
from dscompress.training.data import Data, Tensors, in_memory
from dscompress.training.digits import digits
from dscompress.training.evaluate import Score, evaluate
from dscompress.training.fit import Training, fit
from dscompress.training.folder import image_folder
from dscompress.training.history import Epoch, History
from dscompress.training.train import BUILT_IN_DATA, Result, Watcher, train

__all__ = [
    "BUILT_IN_DATA", "RECIPES", "Data", "Epoch", "History", "Recipe", "Result", "Score", "Tensors", "Training",
    "Watcher", "digits", "evaluate", "fit", "image_folder", "in_memory", "recipe_named", "train", "usual_recipe",
]  # fmt: skip
