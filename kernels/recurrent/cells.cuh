// The cells: what a unit makes of the sums of its gates, and the way back from the gradient of its state.
#pragma once
#include "../elementwise/epilogue.cuh"

struct Lstm {
    static constexpr int GATES = 4;

    // i, f, g, o are sums, which their activations replace; where the sequence runs c becomes the new cell. The new state.
    static __device__ __forceinline__ ACC forward(ACC& i, ACC& f, ACC& g, ACC& o, ACC& c, bool runs) {
        i = logistic(i), f = logistic(f), g = tanh(g), o = logistic(o);
        if (runs) c = f * c + i * g;
        return o * tanh(c);
    }

    // i, f, g, o are activations, which the gradients of their sums replace; of_h and of_c those of the states before.
    static __device__ __forceinline__ void backward(
        ACC& i, ACC& f, ACC& g, ACC& o, ACC last, ACC c, ACC& of_h, ACC& of_c, bool runs)
    {
        const ACC in = i, forget = f, now = g, out = o, bent = tanh(c);
        const ACC sum = of_c + of_h * out * (1 - bent * bent);
        i = runs ? sum * now * in * (1 - in) : (ACC)0;
        f = runs ? sum * last * forget * (1 - forget) : (ACC)0;
        g = runs ? sum * in * (1 - now * now) : (ACC)0;
        o = runs ? of_h * bent * out * (1 - out) : (ACC)0;
        if (runs) of_c = sum * forget, of_h = 0;
    }

    // The same of arrays: v, sums of the inputs, p, those of the state; extra, the cell.
    static __device__ __forceinline__ ACC forward(ACC (&v)[4], const ACC (&p)[4], ACC, ACC& extra, bool runs, int) {
#pragma unroll
        for (int k = 0; k < 4; ++k) v[k] += p[k];
        return forward(v[0], v[1], v[2], v[3], extra, runs);
    }

    // v, activations, which the gradients of the inputs' sums replace; p, of those of the state; last and now: the cells.
    static __device__ __forceinline__ void backward(
        ACC (&v)[4], ACC (&p)[4], ACC last, ACC now, ACC& of_h, ACC& of_c, bool runs, int)
    {
        backward(v[0], v[1], v[2], v[3], last, now, of_h, of_c, runs);
#pragma unroll
        for (int k = 0; k < 4; ++k) p[k] = v[k];
    }
};

struct Gru {
    static constexpr int GATES = 3;

    // r, z, n are the inputs' sums, which their activations replace; p those of the state before, h. The new state.
    static __device__ __forceinline__ ACC forward(ACC& r, ACC& z, ACC& n, ACC of_r, ACC of_z, ACC of_n, ACC h) {
        r = logistic(r + of_r), z = logistic(z + of_z);
        n = tanh(n + r * of_n);
        return n + z * (h - n);
    }

    // r, z, n are activations, which the gradients of the inputs' sums replace; p, the product that r met, its own.
    static __device__ __forceinline__ void backward(ACC& r, ACC& z, ACC& n, ACC& p, ACC h, ACC& of_h, bool runs) {
        const ACC reset = r, update = z, now = n;
        const ACC of_n = of_h * (1 - update) * (1 - now * now);
        r = runs ? of_n * p * reset * (1 - reset) : (ACC)0;
        z = runs ? of_h * (h - now) * update * (1 - update) : (ACC)0;
        n = runs ? of_n : (ACC)0;
        p = runs ? of_n * reset : (ACC)0;
        if (runs) of_h *= update;
    }

    // The same of arrays; extra, the product that r meets.
    static __device__ __forceinline__ ACC forward(ACC (&v)[3], const ACC (&p)[3], ACC h, ACC& extra, bool, int) {
        extra = p[2];
        return forward(v[0], v[1], v[2], p[0], p[1], p[2], h);
    }

    // The same of arrays; last: the state before, now: the product that r met.
    static __device__ __forceinline__ void backward(
        ACC (&v)[3], ACC (&p)[3], ACC last, ACC now, ACC& of_h, ACC&, bool runs, int)
    {
        p[2] = now;
        backward(v[0], v[1], v[2], p[2], last, of_h, runs);
        p[0] = v[0], p[1] = v[1];
    }
};

struct Rnn {
    static constexpr int GATES = 1;

    static __device__ __forceinline__ ACC forward(ACC (&v)[1], const ACC (&p)[1], ACC, ACC&, bool, int activation) {
        return activated(v[0] + p[0], activation);
    }

    // The gradient of the sum; h: the new state.
    static __device__ __forceinline__ ACC backward(ACC h, ACC& of_h, bool runs, int activation) {
        const ACC of_sum = runs ? derived(of_h, h, activation) : (ACC)0;
        if (runs) of_h = 0;
        return of_sum;
    }

    // The same of arrays; last: the new state.
    static __device__ __forceinline__ void backward(
        ACC (&v)[1], ACC (&p)[1], ACC last, ACC, ACC& of_h, ACC&, bool runs, int activation)
    {
        v[0] = p[0] = backward(last, of_h, runs, activation);
    }
};
