// The gradient of a convolution's weight and bias on tensor cores, of any rank: weight.cuh's pieces put together.
#pragma once
#include "weight.cuh"

struct Tensors {
    const T *gy, *x;
    T *gw, *gb;
    int N, C, K, groups;
};

// A group's product: the block's tile, and its part of the pixels.
template <int RANK> struct Block {
    Axis axes[RANK];
    int Cg, Kg, group, columns, first_row, first_column, begin, end;
};

#if PRECISION == TF32X3
// Of a number that is infinite, or beyond TF32, the small part is NaN, and so are its products: sums that are no finite
// numbers are added up anew, one float after the other.
template <int RANK> __device__ __forceinline__ float plain_sum(const Tensors& o, const Block<RANK>& b, int filter, int column) {
    const int c = column % b.Cg;
    float sum = 0;
#pragma unroll 1
    for (int m = b.begin; m < b.end; ++m) {
        int image = m, tap = column / b.Cg, place[RANK];
        bool inside = true;
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            const Axis& axis = b.axes[a];
            place[a] = image % axis.out * axis.stride - axis.pad + tap % axis.taps * axis.dil;
            image /= axis.out, tap /= axis.taps;
            inside = inside && within(place[a], axis.in);
        }
        i64 at = image;
#pragma unroll
        for (int a = 0; a < RANK; ++a) at = at * b.axes[a].in + place[a];
        if (inside) sum += o.gy[(i64)m * o.K + b.group * b.Kg + filter] * o.x[at * o.C + b.group * b.Cg + c];
    }
    return sum;
}

template <int RANK>
__device__ __forceinline__ void mend(const Tensors& o, const Block<RANK>& b, const Sums& tile, const Extent& extent) {
    extent.packs([&](int row, int four, int) {
        float* sums = tile.pack(row, four);
        const Pack<float> v = load_pack(sums);
        if ((v.item[0] - v.item[0]) + (v.item[1] - v.item[1]) + (v.item[2] - v.item[2]) + (v.item[3] - v.item[3]) == 0) return;
#pragma unroll 1
        for (int e = 0; e < 4; ++e) {
            if (!(sums[e] - sums[e] == 0)) sums[e] = plain_sum(o, b, b.first_row + row, b.first_column + four * 4 + e);
        }
    });
}
#endif

// The stages of a block's part: which bytes of gy and x each thread copies, and where to. Stages past the part are zeros.
template <int RANK> struct Stages {
    const Block<RANK>& b;
    const Side<BM> filters;
    const Side<BN> taps;
    const char *from_gy, *from_x;
    int pixel_of_gy, left, unit;  // bytes of a pixel; pixels from this thread's first to the end; 16 bytes a pixel of x
    int need;  // the bits of this thread's tap
    Walk<RANK> walk;

    __device__ __forceinline__ Stages(const Tensors& o, const Block<RANK>& b)
        : b(b), pixel_of_gy(o.K * E), unit(o.C * E / 16), need(0), walk(b.axes, b.begin + (int)threadIdx.x, b.end)
    {
        const int row = b.first_row + filters.piece * EACH, column = b.first_column + taps.piece * EACH;
        left = row < b.Kg ? b.end - b.begin - filters.pixel : 0;
        from_gy = reinterpret_cast<const char*>(o.gy + (i64)(b.begin + filters.pixel) * o.K + b.group * b.Kg + row);
        i64 start = 0, apart = 1;
        int tap = column / b.Cg, shift = 0;
#pragma unroll
        for (int a = 0; a < RANK; ++a) shift += b.axes[a].taps;
#pragma unroll
        for (int a = RANK - 1; a >= 0; --a) {
            const int i = tap % b.axes[a].taps;
            tap /= b.axes[a].taps, shift -= b.axes[a].taps;
            need |= 1 << (shift + i);
            start += i * b.axes[a].dil * apart, apart *= b.axes[a].in;
        }
        if (column >= b.columns) need = 1 << 31;  // which no pixel has
        from_x = reinterpret_cast<const char*>(o.x + start * o.C + b.group * b.Cg + column % b.Cg);
        pin(from_x), pin(from_gy), pin(need);
    }

    __device__ __forceinline__ void look_up(Pixel* pixels) {
        if (threadIdx.x < BK) pixels[threadIdx.x] = walk.here(b.axes, unit);
        walk.next(b.axes);
    }

    // The copies of one of a stage's SHARES. Places are read before any copy begins: a copy behind a read of
    // shared memory costs three instructions more.
    __device__ __forceinline__ void issue(Shared slot, const Pixel* pixels, int share) const {
        Pixel met[Side<BN>::LOADS];
#pragma unroll
        for (int l = 0; l < Side<BN>::LOADS; ++l) {
            if (l * SHARES / Side<BN>::LOADS == share && taps.has(l)) met[l] = pixels[taps.pixel + l * Side<BN>::STEP];
        }
#pragma unroll
        for (int l = 0; l < Side<BN>::LOADS; ++l) {
            if (l * SHARES / Side<BN>::LOADS != share || !taps.has(l)) continue;
            copy_async(taps.of(slot + BK * BM * E, l), from_x + (i64)met[l].x * 16, (met[l].y & need) == need);
        }
#pragma unroll
        for (int l = 0; l < Side<BM>::LOADS; ++l) {
            if (l * SHARES / Side<BM>::LOADS != share || !filters.has(l)) continue;
            copy_async(filters.of(slot, l), from_gy + l * Side<BM>::STEP * pixel_of_gy, l * Side<BM>::STEP < left);
        }
    }

    __device__ __forceinline__ void next() { from_gy += BK * pixel_of_gy, left -= BK; }
};

template <int RANK> __device__ __forceinline__ void add_products(
    const Block<RANK>& b, const Tensors& o, bool biased, float (&sums)[MI][NI][4], float (&beside)[MI][4], char* memory, Pixel (&pixels)[2][BK])
{
    const Shared base = shared_address(memory), last = base + (STAGES - 1) * STAGE;
    Stages<RANK> stages(o, b);
#pragma unroll
    for (int s = 0; s < STAGES - 1; ++s) {
        stages.look_up(pixels[s % 2]);
        __syncthreads();
#pragma unroll
        for (int share = 0; share < SHARES; ++share) stages.issue(base + s * STAGE, pixels[s % 2], share);
        stages.next();
        copy_commit();
    }
    stages.look_up(pixels[(STAGES - 1) % 2]);

    const Corner at;
    const Fragments<WM, BM> rows(at.row, false);
    const Fragments<WN, BN> columns(at.column, true);
    Shared slot = base, next = last;  // the stage to be multiplied, and the one before, to be filled anew
    int looked = (STAGES - 1) % 2, ones = PRECISION == BF16 ? 0x3f803f80 : PRECISION == FP16 ? 0x3c003c00 : 0x3f800000;
    pin(ones);
#pragma unroll 1
    for (int steps = ceil_div(b.end - b.begin, BK); steps > 0; --steps) {
        copy_wait<STAGES - 2>();
        __syncthreads();  // the stage and the pixels are there; the stage before has been read
#if PRECISION == TF32X3  // as a loop: unrolled, the compiler splits for several limbs at once, and spills
#pragma unroll
        for (int share = 0; share < SHARES; ++share) stages.issue(next, pixels[looked], share);
#pragma unroll 1
        for (int limb = 0; limb < LIMBS; limb += TOGETHER) {
            unsigned a[TOGETHER][MI][4], c[TOGETHER][NI / 2][4];
#pragma unroll
            for (int d = 0; d < TOGETHER; ++d) {
                columns.template fetch<true>(c[d], slot + BK * BM * E, limb + d);
                rows.template fetch<false>(a[d], slot, limb + d);
            }
            multiply_deep(sums, a, c);
            if (biased) {
#pragma unroll
                for (int d = 0; d < TOGETHER; ++d) add_rows(beside, a[d], ones);
            }
        }
#else
#pragma unroll
        for (int limb = 0; limb < LIMBS; ++limb) {
            if (limb % 2 == 0) stages.issue(next, pixels[looked], limb / 2);
            unsigned a[MI][4], c[NI / 2][4];
            rows.template fetch<false>(a, slot, limb);
            columns.template fetch<true>(c, slot + BK * BM * E, limb);
            multiply(sums, a, c);
            if (biased) add_rows(beside, a, ones);
        }
#endif
        copy_commit();
        looked ^= 1;
        stages.next(), stages.look_up(pixels[looked]);
        next = slot, slot = slot == last ? base : slot + STAGE;
    }
    copy_wait<0>();
}

template <int RANK>
__device__ __forceinline__ void grad_weight(const Tensors& o, const Axis (&axes)[RANK], ACC* parts, int* tickets, int J, int fan)
{
    extern __shared__ __align__(128) char memory[];
    __shared__ Pixel pixels[2][BK];

    // seek to the block's tile and part
    const int across = gridDim.x / J, part = blockIdx.x % J;
    Block<RANK> b = {{}, o.C / o.groups, o.K / o.groups, (int)blockIdx.z, o.C / o.groups, (int)blockIdx.y * BM, (int)(blockIdx.x / J) * BN};
    int M = o.N;
#pragma unroll
    for (int a = 0; a < RANK; ++a) b.axes[a] = axes[a], M *= axes[a].out, b.columns *= axes[a].taps;
    const int each = ceil_div(ceil_div(M, J), BK) * BK;
    b.begin = smaller((i64)part * each, (i64)M), b.end = smaller((part + 1) * (i64)each, (i64)M);

    // combine
    const Corner at;
    const bool biased = o.gb && b.first_column == 0;  // the same in all warps, of which those of the first columns count
    float sums[MI][NI][4] = {}, beside[MI][4] = {};
    add_products(b, o, biased, sums, beside, memory, pixels);
    const Sums tile = {reinterpret_cast<ACC*>(memory)};
    const Extent extent = {b.Kg - b.first_row, b.columns - b.first_column};
    __syncthreads();  // the last stages have been read
    keep(tile, at, sums);
    if (at.column == 0) keep_beside(tile, at, beside);
    __syncthreads();
#if PRECISION == TF32X3
    mend(o, b, tile, extent);
#endif

    // join the parts, and write
    const int index = (blockIdx.z * gridDim.y + blockIdx.y) * across + blockIdx.x / J;
    if (!join({parts, tickets, J, fan, (int)(across * gridDim.y * gridDim.z), index, part}, tile, extent)) return;
    T* out = o.gw + ((i64)b.group * b.Kg + b.first_row) * b.columns + b.first_column;
    store_sums(tile, extent, [&](int row) { return out + (i64)row * b.columns; });
    if (!o.gb || b.first_column) return;
    T* above = o.gb + b.group * b.Kg + b.first_row;
    extent.each_row([&](int row) { store(above + row, tile.beside()[row]); });
}
