// Staging: a block brings whole rows, which lie one after the other in memory, into shared memory by 16-byte accesses,
// wherever they begin and however many channels they have, and takes its results out likewise.
#pragma once
#include "average.cuh"

extern __shared__ __align__(16) unsigned char staged[];

// How a launch cuts images into blocks, and a block into threads.
struct Cut {
    int rows, images;         // of a block: rows of outputs (of cells, backward), images
    int lanes;                // threads that share a row
    int second, third, last;  // where its arrays begin in shared memory, in bytes
};

// Elements from the last multiple of 16 bytes to p.
template <typename V> __device__ __forceinline__ int past(const V* p) {
    return (unsigned long long)p % 16 / sizeof(V);
}

// Moves `count` elements between memory and shared memory, which both lie as far past 16 bytes.
template <typename V> __device__ __forceinline__ void move(const V* from, V* to, int count) {
    enum { SIZE = PackOf<V>::size, FLIGHT = 4 };
    const int head = smaller(count, (SIZE - past(from)) % SIZE), packs = (count - head) / SIZE;
    const int tail = head + packs * SIZE, me = threadIdx.x;
    if (me < head) to[me] = from[me];
    if (tail + me < count) to[tail + me] = from[tail + me];
    const uint4* source = reinterpret_cast<const uint4*>(from + head);
    uint4* target = reinterpret_cast<uint4*>(to + head);
    for (int i = me; i < packs; i += FLIGHT * blockDim.x) {
        uint4 pack[FLIGHT];
#pragma unroll
        for (int j = 0; j < FLIGHT; ++j) {
            const int k = i + j * blockDim.x;
            if (k < packs) pack[j] = source[k];
        }
#pragma unroll
        for (int j = 0; j < FLIGHT; ++j) {
            const int k = i + j * blockDim.x;
            if (k < packs) target[k] = pack[j];
        }
    }
}

// Where elements that lie at `there` in memory lie in shared memory, in the array that begins at byte `at`.
template <typename V> __device__ __forceinline__ V* place(int at, const V* there) {
    return reinterpret_cast<V*>(staged + at) + past(there);
}

template <typename V> __device__ __forceinline__ const V* bring(const V* from, int count, int at) {
    V* to = place(at, from);
    move(from, to, count);
    return to;
}

// The images and rows of this block, of images that have `down` rows.
struct Block {
    i64 image;               // its first
    int images, first, end;  // and its rows, first up to end

    __device__ __forceinline__ Block(const Pool2d& g, const Cut& cut, int down) {
        const int bands = ceil_div(down, cut.rows);
        image = (i64)(blockIdx.x / bands) * cut.images;
        images = smaller(cut.images, g.N - image);
        first = blockIdx.x % bands * cut.rows, end = smaller(first + cut.rows, down);
    }
};

// each(column, image, row) for what this thread owns: its columns of all rows, or of those of its group.
template <typename Each>
__device__ __forceinline__ void every(const Block& block, const Cut& cut, int columns, Each each) {
    const int group = threadIdx.x / cut.lanes, groups = blockDim.x / cut.lanes, rows = block.end - block.first;
    if (group >= groups) return;
    for (int column = threadIdx.x % cut.lanes; column < columns; column += cut.lanes) {
        for (int row = group; row < rows * block.images; row += groups) {
            const int image = block.images > 1 ? row / rows : 0;
            each(column, image, block.first + row - image * rows);
        }
    }
}

// ---------------------------------------------------------------- forward
// The rows of x that the block's windows reach: all of them where it has several images, which lie in one piece then.
struct Reach {
    int top, size;  // the first row, and elements an image

    __device__ __forceinline__ Reach(const Pool2d& g, const Block& block, const Cut& cut) {
        top = cut.images > 1 ? 0 : larger(g.row(block.first, 0), 0);
        const int bottom = cut.images > 1 ? g.H : smaller(g.row(block.end - 1, g.R - 1) + 1, g.H);
        size = larger(bottom - top, 0) * g.W * g.C;
    }
};

// Brings x and gives each window (p, q) of the block to pool(x at row 0 of its image and channel, p, q, place in y).
template <typename Window>
__device__ __forceinline__ void pool_block(const T* x, const Pool2d& g, const Cut& cut, const Block& block, Window pool) {
    const Reach reach(g, block, cut);
    const T* rows = bring(x + (block.image * g.H + reach.top) * g.W * g.C, reach.size * block.images, 0);
    __syncthreads();
    // Threads own columns of x, of which some start a window: neighbours read neighbours, without bank conflicts. Where
    // a pixel has one channel the even ones alone would keep half of them idle.
    const bool starts = g.C > 1;
    every(block, cut, (starts ? g.Q * g.stride_w : g.Q) * g.C, [&](int column, int image, int p) {
        const int pixel = column / g.C, q = starts ? pixel / g.stride_w : pixel;
        if (starts && q * g.stride_w != pixel) return;
        const int c = column - pixel * g.C;
        const T* plane = rows + image * reach.size - reach.top * g.W * g.C + c;
        pool(plane, p, q, ((image * (block.end - block.first) + p - block.first) * g.Q + q) * g.C + c);
    });
}

// ---------------------------------------------------------------- backward
// The windows that the block's rows of cells, stride_h inputs high, lie in: rows from `first`. Row-major ones (g.flat) of an
// image of several channels do not lie in one piece, unless they are all of them.
struct Windows {
    int first, count;          // the first row, and elements an image
    int channel, row, column;  // from one to the next

    __device__ __forceinline__ Windows(const Pool2d& g, const Block& block) {
        first = g.flat ? 0 : larger(block.first - (ceil_div(g.R, g.stride_h) - 1), 0);
        count = larger((g.flat ? g.P : smaller(block.end, g.P)) - first, 0) * g.Q * g.C;
        channel = g.flat ? g.P * g.Q : 1, column = g.flat ? 1 : g.C, row = g.Q * column;
    }

    __device__ __forceinline__ int at(int image, int p, int q, int c) const {
        return image * count + (p - first) * row + q * column + c * channel;
    }
};

// The rows of gx that the block owns: first up to end, and elements an image.
struct Inputs {
    int first, size;

    __device__ __forceinline__ Inputs(const Pool2d& g, const Block& block) {
        first = larger(g.row(block.first, 0), 0);
        size = larger(smaller(g.H, g.row(block.end, 0)) - first, 0) * g.W * g.C;
    }
};

// spread(image, u, v, i, j, c, place in gx) for every input of the block: (i, j) of cell (u, v), channel c.
template <typename Spread>
__device__ __forceinline__ void spread_block(const Pool2d& g, const Cut& cut, const Block& block, Spread spread) {
    const Inputs inputs(g, block);
    every(block, cut, g.W * g.C, [&](int column, int image, int u) {
        const int w = column / g.C, c = column - w * g.C;
        const int v = (w + g.pad_w) / g.stride_w, j = w + g.pad_w - v * g.stride_w;
        for (int i = 0; i < g.stride_h; ++i) {
            const int h = g.row(u, 0) + i;
            if (within(h, g.H)) spread(image, u, v, i, j, c, image * inputs.size + (h - inputs.first) * g.W * g.C + column);
        }
    });
}
