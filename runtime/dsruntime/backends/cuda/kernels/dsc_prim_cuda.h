// dsc_prim for CUDA: see dsc_prim.h for what each function promises. PTX ISA sections are named where a form is not obvious.
#pragma once

#define KERNEL(name, threads, ...) extern "C" __global__ void __launch_bounds__(threads) name(__VA_ARGS__)
#define DEVICE static __device__ __forceinline__
#define SHARED(type, name, count) __shared__ type name[count]
#define DYNAMIC_SHARED(type, name) \
    extern __shared__ u32x4 dsc_dynamic[]; \
    type* name = reinterpret_cast<type*>(dsc_dynamic)
#define UNROLL _Pragma("unroll")

DEVICE f32 to_f32(f16 x) {
    f32 y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
DEVICE f16 to_f16(f32 x) {
    f16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
DEVICE f32 from_bits(u32 x) {
    return __uint_as_float(x);
}
DEVICE u32 to_bits(f32 x) {
    return __float_as_uint(x);
}
DEVICE u32 pack_f16(f32 low, f32 high) {
#if __CUDA_ARCH__ >= 800
    u32 pair;
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(high), "f"(low));
    return pair;
#else
    return u32(to_f16(low).bits) | u32(to_f16(high).bits) << 16;
#endif
}

// ---- loads

template <int bytes>
struct Load;
template <>
struct Load<1> {
    DEVICE u8 read(const void* p) {
        u32 x;
        asm("ld.global.nc.u8 %0, [%1];" : "=r"(x) : "l"(p));
        return u8(x);
    }
};
template <>
struct Load<2> {
    DEVICE u16 read(const void* p) {
        u16 x;
        asm("ld.global.nc.u16 %0, [%1];" : "=h"(x) : "l"(p));
        return x;
    }
};
template <>
struct Load<4> {
    DEVICE u32 read(const void* p) {
        u32 x;
        asm("ld.global.nc.u32 %0, [%1];" : "=r"(x) : "l"(p));
        return x;
    }
};
template <>
struct Load<8> {
    DEVICE u32x2 read(const void* p) {
        u32x2 v;
        asm("ld.global.nc.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
        return v;
    }
};
template <>
struct Load<16> {
    DEVICE u32x4 read(const void* p) {
        u32x4 v;
        asm("ld.global.nc.v4.u32 {%0, %1, %2, %3}, [%4];" : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w) : "l"(p));
        return v;
    }
};

template <class To, class From>
DEVICE To same_bits(From from) {
    static_assert(sizeof(To) == sizeof(From), "same_bits keeps the size");
    union {
        From from;
        To to;
    } both = {from};
    return both.to;
}

template <class T>
DEVICE T ldg(const T* p) {
    return same_bits<T>(Load<sizeof(T)>::read(p));
}
DEVICE u32 ldg_stream(const u32* p) {
#if __CUDA_ARCH__ >= 800
    u32 x;
    asm("ld.global.nc.L1::no_allocate.L2::256B.u32 %0, [%1];" : "=r"(x) : "l"(p));
    return x;
#else
    return ldg(p);
#endif
}
DEVICE u32x2 ldg_stream(const u32x2* p) {
#if __CUDA_ARCH__ >= 800
    u32x2 v;
    asm("ld.global.nc.L1::no_allocate.L2::256B.v2.u32 {%0, %1}, [%2];" : "=r"(v.x), "=r"(v.y) : "l"(p));
    return v;
#else
    return ldg(p);
#endif
}
DEVICE u32x4 ldg_stream(const u32x4* p) {
#if __CUDA_ARCH__ >= 800
    u32x4 v;
    asm("ld.global.nc.L1::no_allocate.L2::256B.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
        : "l"(p));
    return v;
#else
    return ldg(p);
#endif
}

DEVICE f32 load_fresh(const f32* p) {
    f32 x;
    asm volatile("ld.global.cg.f32 %0, [%1];" : "=f"(x) : "l"(p) : "memory");
    return x;
}

// ---- bits

template <int table>
DEVICE u32 lop3(u32 a, u32 b, u32 c) {
    u32 d;
    asm("lop3.b32 %0, %1, %2, %3, %4;" : "=r"(d) : "r"(a), "r"(b), "r"(c), "n"(table));
    return d;
}
DEVICE u32 shift_left(u32 x, u32 by) {
    u32 y;
    asm("shl.b32 %0, %1, %2;" : "=r"(y) : "r"(x), "r"(by));
    return y;
}

DEVICE u32 mul_high(u32 x, u32 y) {
    return __umulhi(x, y);
}

// ---- between threads

DEVICE u32 shfl_bits(u32 x, i32 lane) {
    return __shfl_sync(0xFFFFFFFF, x, lane);
}
template <class T>
DEVICE T shfl(T x, i32 lane) {
    static_assert(sizeof(T) == 4 || sizeof(T) == 8, "shfl moves 4 or 8 bytes");
    if constexpr (sizeof(T) == 4) {
        return same_bits<T>(shfl_bits(same_bits<u32>(x), lane));
    } else {
        u32x2 v = same_bits<u32x2>(x);
        return same_bits<T>(u32x2{shfl_bits(v.x, lane), shfl_bits(v.y, lane)});
    }
}
DEVICE i32 lane_id() {
    return (threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z)) & 31;
}
template <class T>
DEVICE T shfl_xor(T x, i32 mask) {
    if constexpr (sizeof(T) == 4) return same_bits<T>(__shfl_xor_sync(0xFFFFFFFF, same_bits<u32>(x), mask));
    else return shfl(x, lane_id() ^ mask);
}
template <class T>
DEVICE T shfl_down(T x, i32 by) {  // the last lanes keep their own
    if constexpr (sizeof(T) == 4) return same_bits<T>(__shfl_down_sync(0xFFFFFFFF, same_bits<u32>(x), by));
    else return shfl(x, lane_id() + by < 32 ? lane_id() + by : lane_id());
}
DEVICE u32 vote(bool yes) {
    return __ballot_sync(0xFFFFFFFF, yes);
}
DEVICE void sync_warp() {
    __syncwarp();
}
template <class T>
DEVICE T atomic_add(T* p, T x) {
    return atomicAdd(p, x);
}
template <class T>
DEVICE void red_add(T* p, T x) {
    atomicAdd(p, x);
}
DEVICE void fence() {
    __threadfence();
}

// ---- tensor cores

DEVICE void mma(f32 d[4], const u32 a[4], const u32 b[2]) {
#if __CUDA_ARCH__ >= 800
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#else
    UNROLL for (i32 half = 0; half < 2; half++)
        asm volatile(
            "mma.sync.aligned.m16n8k8.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5}, {%6}, {%0, %1, %2, %3};"
            : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
            : "r"(a[2 * half]), "r"(a[2 * half + 1]), "r"(b[half]));
#endif
}

// ---- copies into shared memory that run on while the thread goes on; before sm_80 they are plain loads and stores

DEVICE void cp_async16(void* shared, const void* global, bool valid) {
#if __CUDA_ARCH__ >= 800
    u32 to = u32(__cvta_generic_to_shared(shared));
    asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;" ::"r"(to), "l"(global), "r"(valid ? 16 : 0) : "memory");
#else
    *static_cast<u32x4*>(shared) = valid ? ldg(static_cast<const u32x4*>(global)) : u32x4{0, 0, 0, 0};
#endif
}
DEVICE void cp_async_commit() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.commit_group;" ::: "memory");
#endif
}
template <int n>
DEVICE void cp_async_wait() {
#if __CUDA_ARCH__ >= 800
    asm volatile("cp.async.wait_group %0;" ::"n"(n) : "memory");
#endif
}
