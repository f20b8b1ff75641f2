// Circular convolution in one kernel: load, forward transform, product with the kernel's spectrum, inverse transform, epilogue, store.
//
// The source is specialised by macros, all written by `source.py` from a `Schedule`, whose docstrings are its dictionary. It is plain C++17
// with CUDA's builtins and includes nothing, so that NVRTC compiles it for any device, and the tests compile it for the host.
//
//   REAL, IS_DOUBLE          float or double
//   MODE                     COMPLEX: one complex signal a transform; HALF: one real one, x[2m] + i·x[2m+1]; SINGLE: one real one, x + i·0;
//                            PAIR: two real ones, x1 + i·x2
//   PASS                     WHOLE: everything; ROWS, COLUMNS, ROWS_BACK: the three passes over planes too large for a block
//   N0, N1, N2               sizes of a signal, 1 for the axes it lacks;  M0, M1, M2: sizes of the grid it is transformed on, zeros beyond the signal
//   STAGES                   {radix, span, inner, table}, … in the order of the forward transform
//   LENGTH                   elements of a unit, the part of a signal that a block transforms;  UNITS: how many a block takes
//   THREADS, MIN_BLOCKS, PAD threads a block, blocks that must fit on a multiprocessor, elements between two gaps in shared memory (0: no gaps)
//   TILE                     columns a unit takes in the pass COLUMNS
//   UNITS_AT, UNIT_BYTES     where the descriptions of the units lie in shared memory, and the size of one
//   PAIRS, SPECTRUM          pairs of butterflies in the mirror table, and complex numbers of one kernel's spectrum
//   SCALED, BIASED, ACTIVATION   the epilogue
//   ALIGNED                  whether two neighbouring reals can be read and written at once

#define COMPLEX 0
#define PAIR 1
#define HALF 2
#define SINGLE 3

#define WHOLE 0
#define ROWS 1
#define COLUMNS 2
#define ROWS_BACK 3

#define IDENTITY 0
#define RELU 1
#define GELU 2
#define GELU_TANH 3
#define SILU 4

struct alignas(2 * sizeof(REAL)) Complex {
  REAL re, im;
};

#if MODE == COMPLEX
typedef Complex Scalar;
#else
typedef REAL Scalar;
#endif

__device__ inline Complex operator+(Complex a, Complex b) { return {a.re + b.re, a.im + b.im}; }
__device__ inline Complex operator-(Complex a, Complex b) { return {a.re - b.re, a.im - b.im}; }
__device__ inline Complex operator*(Complex a, Complex b) { return {a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}; }
__device__ inline Complex operator*(REAL a, Complex b) { return {a * b.re, a * b.im}; }
__device__ inline Complex conj(Complex a) { return {a.re, -a.im}; }

// ---------------------------------------------------------------------------------------------------------------------------------------------
// Loops whose index is a constant, so that arrays indexed by it stay in registers
// ---------------------------------------------------------------------------------------------------------------------------------------------

template <int I>
struct Int {
  static constexpr int value = I;
};

template <int N, int I = 0, class F>
__device__ inline void each(F&& f) {
  if constexpr (I < N) {
    f(Int<I>{});
    each<N, I + 1>(f);
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// Roots of unity, computed by the compiler in double
// ---------------------------------------------------------------------------------------------------------------------------------------------

// cos and sin of 2π·k/r for 0 ≤ 8k ≤ r, that is of an angle up to π/4, where the last term of the series is below 1e-20.
__device__ constexpr double series(int k, int r, bool odd) {
  const double angle = 6.283185307179586476925286766559 * k / r;
  double term = odd ? angle : 1, sum = 0;
  for (int i = odd; i < 24; i += 2) {
    sum += term;
    term *= -angle * angle / ((i + 1) * (i + 2));
  }
  return sum;
}

__device__ constexpr double cosine(int k, int r) {
  k %= r;
  if (2 * k > r) k = r - k;                         // cos(2π − a) = cos a
  if (4 * k > r) return -cosine(r - 2 * k, 2 * r);  // cos a = −cos(π − a)
  if (8 * k > r) return series(r - 4 * k, 4 * r, true);  // cos a = sin(π/2 − a)
  return series(k, r, false);
}

__device__ constexpr double sine(int k, int r) { return cosine(4 * k + 3 * r, 4 * r); }  // sin a = cos(a − π/2) = cos(a + 3π/2)

// z·exp(SIGN·2πi·K/R)
template <int SIGN, int K, int R>
__device__ inline Complex rotate(Complex z) {
  constexpr int k = K % R;
  if constexpr (k == 0) {
    return z;
  } else if constexpr (2 * k == R) {
    return {-z.re, -z.im};
  } else if constexpr (4 * k == R || 4 * k == 3 * R) {
    constexpr bool up = (4 * k == R) == (SIGN > 0);
    return up ? Complex{-z.im, z.re} : Complex{z.im, -z.re};
  } else {
    constexpr REAL c = REAL(cosine(k, R)), s = REAL(SIGN * sine(k, R));
    return {z.re * c - z.im * s, z.re * s + z.im * c};
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// The transform of R values in registers: v[k] ← Σ_q v[q]·exp(SIGN·2πi·q·k/R)
// ---------------------------------------------------------------------------------------------------------------------------------------------

// The factor to split off: 4 where it divides (its transform needs no product), else the smallest prime.
constexpr int first_factor(int r) {
  if (r % 4 == 0 && r > 4) return 4;
  for (int p = 2; p * p <= r; ++p)
    if (r % p == 0) return p;
  return r;
}

template <int SIGN, int R>
__device__ inline void transform(Complex (&v)[R]) {
  constexpr int A = first_factor(R), B = R / A;
  if constexpr (R == 1) {
    return;
  } else if constexpr (R == 2) {
    const Complex sum = v[0] + v[1];
    v[1] = v[0] - v[1];
    v[0] = sum;
  } else if constexpr (B == 1) {
    // An odd prime: x[q] ± x[R − q] meet the cosines and the sines.
    constexpr int H = R / 2;
    Complex sums[H + 1], differences[H + 1], y[R];
    Complex total = v[0];
    each<H>([&](auto i) {
      constexpr int q = decltype(i)::value + 1;
      sums[q] = v[q] + v[R - q];
      differences[q] = v[q] - v[R - q];
      total = total + sums[q];
    });
    y[0] = total;
    each<H>([&](auto i) {
      constexpr int k = decltype(i)::value + 1;
      Complex even = v[0], odd = {0, 0};
      each<H>([&](auto j) {
        constexpr int q = decltype(j)::value + 1;
        constexpr REAL c = REAL(cosine(q * k % R, R)), s = REAL(SIGN * sine(q * k % R, R));
        even.re += c * sums[q].re;
        even.im += c * sums[q].im;
        odd.re -= s * differences[q].im;  // odd += i·s·difference
        odd.im += s * differences[q].re;
      });
      y[k] = even + odd;
      y[R - k] = even - odd;
    });
    each<R>([&](auto q) { v[decltype(q)::value] = y[decltype(q)::value]; });
  } else {
    // x[B·a + b] to X[k + A·l]: over a, a rotation by b·k/R, over b.
    Complex rows[A][B];
    each<B>([&](auto b) {
      Complex column[A];
      each<A>([&](auto a) { column[decltype(a)::value] = v[B * decltype(a)::value + decltype(b)::value]; });
      transform<SIGN>(column);
      each<A>([&](auto k) {
        constexpr int angle = decltype(b)::value * decltype(k)::value;
        rows[decltype(k)::value][decltype(b)::value] = rotate<SIGN, angle, R>(column[decltype(k)::value]);
      });
    });
    each<A>([&](auto k) {
      transform<SIGN>(rows[decltype(k)::value]);
      each<B>([&](auto l) { v[decltype(k)::value + A * decltype(l)::value] = rows[decltype(k)::value][decltype(l)::value]; });
    });
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// Shared memory, and which signals the units of this block are
// ---------------------------------------------------------------------------------------------------------------------------------------------

struct Stage {
  int radix, span, inner, table;
};
constexpr Stage stages[] = {STAGES};
constexpr int LAST = int(sizeof(stages) / sizeof(Stage)) - 1;

// One unit: where its one or two signals, its part of the workspace and its spectrum begin; −1 for a signal that is not there. `columns` are left of
// a unit in the pass COLUMNS, whose last tile may be narrower.
struct Unit {
  long long first, second, workspace, spectrum, columns;
  Scalar bias_first, bias_second;
};
static_assert(sizeof(Unit) == UNIT_BYTES, "the schedule reserves another size for a unit");

extern __shared__ __align__(16) unsigned char shared_memory[];

// A gap of one element after every PAD keeps strided butterflies on different banks.
__device__ inline int place(int element) { return PAD ? element + element / (PAD ? PAD : 1) : element; }

__device__ inline Complex* data() { return reinterpret_cast<Complex*>(shared_memory); }

__device__ inline Unit* units_of_block() { return reinterpret_cast<Unit*>(shared_memory + UNITS_AT); }

struct Arguments {
  const Scalar* x;
  Scalar* out;
  Complex* workspace;
  const Complex* spectrum;
  const Complex* twiddles;
  const int* mirror;
  const Scalar* bias;
  REAL scale;
  long long first_transform;  // of this launch; its share of the workspace begins at 0
  long long transforms;       // in this launch
  long long sharing;          // signals to a kernel
  long long kernels;
  long long repeat;           // signal s has kernel (s / repeat) mod kernels
  long long channels;
  long long channel_repeat;   // and bias (s / channel_repeat) mod channels
};

// The u-th of the signals that have kernel c.
__device__ inline long long signal_of(const Arguments& g, long long c, long long u) {
  return (u / g.repeat * g.kernels + c) * g.repeat + u % g.repeat;
}

__device__ inline Scalar bias_of(const Arguments& g, long long signal) { return g.bias[signal / g.channel_repeat % g.channels]; }

__device__ inline void find_units(const Arguments& g) {
  for (int i = threadIdx.x; i < UNITS; i += THREADS) {
    constexpr int PARTS = PASS == WHOLE ? 1 : PASS == COLUMNS ? (M2 + TILE - 1) / TILE : N1;  // units a transform
    const long long number = (long long)blockIdx.x * UNITS + i;
    const long long local = number / PARTS;
    const int part = int(number % PARTS);
    Unit unit = {-1, -1, 0, 0, 0, Scalar{}, Scalar{}};
    if (local < g.transforms) {
      const long long t = g.first_transform + local;
      const long long c = t % g.kernels, u = t / g.kernels;
      constexpr long long SIGNAL = (long long)N0 * N1 * N2;
      constexpr bool ROW = PASS == ROWS || PASS == ROWS_BACK;
      const long long inside = ROW ? (long long)part * N2 : 0;
      const long long signal = signal_of(g, c, MODE == PAIR ? 2 * u : u);
      unit.first = signal * SIGNAL + inside;
      if (BIASED) unit.bias_first = bias_of(g, signal);
      if (MODE == PAIR && 2 * u + 1 < g.sharing) {
        const long long partner = signal_of(g, c, 2 * u + 1);
        unit.second = partner * SIGNAL + inside;
        if (BIASED) unit.bias_second = bias_of(g, partner);
      }
      unit.spectrum = c * SPECTRUM;
      if (ROW) unit.workspace = (local * N1 + part) * M2;
      if (PASS == COLUMNS) {
        unit.workspace = local * N1 * M2 + part * TILE;
        unit.columns = M2 - part * TILE;
        unit.spectrum += part * TILE;
      }
    }
    units_of_block()[i] = unit;
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// Reading and writing the signals
// ---------------------------------------------------------------------------------------------------------------------------------------------

#if IS_DOUBLE
typedef double2 Vector;
#else
typedef float2 Vector;
#endif

// Streamed: each sample is read and written once, and should not push the tables out of the caches.
__device__ inline Complex read(const Complex* p) {
  const Vector v = __ldcs(reinterpret_cast<const Vector*>(p));
  return {v.x, v.y};
}
__device__ inline REAL read(const REAL* p) { return __ldcs(p); }
// A number of a table, which many blocks read.
__device__ inline Complex look_up(const Complex* p) {
  const Vector v = __ldg(reinterpret_cast<const Vector*>(p));
  return {v.x, v.y};
}
__device__ inline void write(Complex* p, Complex z) {
  Vector v;
  v.x = z.re;
  v.y = z.im;
  __stcs(reinterpret_cast<Vector*>(p), v);
}
__device__ inline void write(REAL* p, REAL y) { __stcs(p, y); }

// Where element e of the grid lies in the signal; −1 where the grid has a zero. `reals` is the number of reals an element stands for.
__device__ inline int locate(int e, int& reals) {
  constexpr bool ROW = PASS == ROWS || PASS == ROWS_BACK;
  constexpr int PER = MODE == HALF ? 2 : 1;
  reals = PER;
  if constexpr (N2 == PER * M2 && (ROW || (N0 == M0 && N1 == M1))) {
    return PER * e;
  } else {
    const int c = PER * (e % M2), b = ROW ? 0 : e / M2 % M1, a = ROW ? 0 : e / (M2 * M1);
    if (c >= N2 || (!ROW && (b >= N1 || a >= N0))) return -1;
    if (PER == 2 && c + 1 == N2) reals = 1;
    return (a * N1 + b) * N2 + c;
  }
}

__device__ inline Complex load(const Arguments& g, const Unit& unit, int e) {
  if (unit.first < 0) return {0, 0};
  if constexpr (PASS == COLUMNS) {
    const int row = e / TILE, column = e % TILE;
    if (row >= N1 || column >= unit.columns) return {0, 0};
    return g.workspace[unit.workspace + (long long)row * M2 + column];
  } else {
    int reals;
    const int at = locate(e, reals);
    if (at < 0) return {0, 0};
    const Scalar* x = g.x + unit.first + at;
#if MODE == COMPLEX
    return read(x);
#elif MODE == PAIR
    return {read(x), unit.second < 0 ? REAL(0) : read(g.x + unit.second + at)};
#elif MODE == SINGLE
    return {read(x), 0};
#else
    if (ALIGNED && reals == 2) return read(reinterpret_cast<const Complex*>(x));
    return {read(x), reals == 2 ? read(x + 1) : REAL(0)};
#endif
  }
}

#if IS_DOUBLE
#define MATH(function) function
#else
#define MATH(function) function##f  // erff, tanhf, expf
#endif

__device__ inline REAL activate(REAL y) {
  if (ACTIVATION == RELU) return y < 0 ? REAL(0) : y;  // a NaN stays one
  if (ACTIVATION == GELU) return REAL(0.5) * y * (1 + MATH(erf)(y * REAL(0.70710678118654752440)));
  if (ACTIVATION == GELU_TANH) return REAL(0.5) * y * (1 + MATH(tanh)(REAL(0.79788456080286535588) * (y + REAL(0.044715) * y * y * y)));
  if (ACTIVATION == SILU) return y / (1 + MATH(exp)(-y));
  return y;
}

#if MODE == COMPLEX
__device__ inline Complex finish(const Arguments& g, Complex y, Complex bias) {
  if (SCALED) y = g.scale * y;
  if (BIASED) y = y + bias;
  return y;
}
#else
__device__ inline REAL finish(const Arguments& g, REAL y, REAL bias) {
  if (SCALED) y *= g.scale;
  if (BIASED) y += bias;
  return activate(y);
}
#endif

__device__ inline void store(const Arguments& g, const Unit& unit, int e, Complex y) {
  if (unit.first < 0) return;
  if constexpr (PASS == COLUMNS) {
    const int row = e / TILE, column = e % TILE;
    if (row < N1 && column < unit.columns) g.workspace[unit.workspace + (long long)row * M2 + column] = y;
  } else {
    int reals;
    const int at = locate(e, reals);
    if (at < 0) return;
    Scalar* out = g.out + unit.first + at;
#if MODE == COMPLEX
    write(out, finish(g, y, unit.bias_first));
#elif MODE == SINGLE
    write(out, finish(g, y.re, unit.bias_first));
#elif MODE == PAIR
    write(out, finish(g, y.re, unit.bias_first));
    if (unit.second >= 0) write(g.out + unit.second + at, finish(g, y.im, unit.bias_second));
#else
    const Complex z = {finish(g, y.re, unit.bias_first), finish(g, y.im, unit.bias_first)};
    if (ALIGNED && reals == 2) {
      write(reinterpret_cast<Complex*>(out), z);
    } else {
      write(out, z.re);
      if (reals == 2) write(out + 1, z.im);
    }
#endif
  }
}

// ---------------------------------------------------------------------------------------------------------------------------------------------
// The stages
// ---------------------------------------------------------------------------------------------------------------------------------------------

// v[q] ← v[q]·ω^(SIGN·j·q) with ω = exp(2πi/(radix·span)). The table holds ω^(−j·q) for q in {1, 2, 3} and {4, 8, 12}; other q take one product.
template <int S, int SIGN>
__device__ inline void twiddle(const Complex* twiddles, Complex (&v)[stages[S].radix], int j) {
  constexpr int R = stages[S].radix, M = stages[S].span;
  if constexpr (M > 1) {
    const Complex* table = twiddles + stages[S].table + j;
    Complex low[4], high[4];
    each<3>([&](auto i) {
      constexpr int q = decltype(i)::value + 1;
      if constexpr (q < R) low[q] = look_up(table + (q - 1) * M);
      if constexpr (4 * q < R) high[q] = look_up(table + (q + 2) * M);
    });
    each<R - 1>([&](auto i) {
      constexpr int q = decltype(i)::value + 1, a = q / 4, b = q % 4;
      Complex w;
      if constexpr (a == 0) {
        w = low[b];
      } else if constexpr (b == 0) {
        w = high[a];
      } else {
        w = high[a] * low[b];
      }
      v[q] = v[q] * (SIGN < 0 ? w : conj(w));
    });
  }
}

// Calls f(unit, number of the butterfly, its first element, its place j in the period of the twiddles) for this thread's share of stage S.
template <int S, class F>
__device__ inline void butterflies(F&& f) {
  constexpr int R = stages[S].radix, M = stages[S].span, I = stages[S].inner, COUNT = LENGTH / R;
  for (int i = threadIdx.x; i < UNITS * COUNT; i += THREADS) {
    const int unit = i / COUNT, k = i % COUNT, rest = k % (M * I);
    f(unit, k, k / (M * I) * (R * M * I) + rest, rest / I);
  }
}

template <int S>
__device__ inline void inverse_butterfly(const Arguments& g, const Unit& unit, Complex (&v)[stages[S].radix], int number, int base, int j) {
  constexpr int R = stages[S].radix, STEP = stages[S].span * stages[S].inner;
  twiddle<S, +1>(g.twiddles, v, j);
  transform<+1>(v);
  each<R>([&](auto i) {
    constexpr int q = decltype(i)::value;
    if constexpr (S == 0) {
      store(g, unit, base + q * STEP, v[q]);
    } else {
      data()[place(number * LENGTH + base + q * STEP)] = v[q];
    }
  });
}

// v[q] holds the frequency k where w[p] holds −k, with p = R − TURNED − q modulo R.
template <int TURNED, int R>
__device__ inline void mirrored_product(const Complex* spectrum, Complex (&v)[R], Complex (&w)[R]) {
  each<R>([&](auto i) {
    constexpr int q = decltype(i)::value, p = (R - TURNED - q) % R;
    const Complex z = v[q], b = look_up(spectrum + (2 * R + q) * PAIRS);
    v[q] = look_up(spectrum + q * PAIRS) * z + b * conj(w[p]);
    w[p] = look_up(spectrum + (R + q) * PAIRS) * w[p] - conj(b * z);
  });
}

// The last stage for a real signal of 2m samples that is transformed as a complex one of m, Z = F(even + i·odd): the convolution's transform is
// A·Z[k] + B·conj(Z[−k]), where B[−k] = −conj(B[k]). A thread takes the two butterflies that hold the frequencies k and −k, so that nothing is exchanged.
template <int S>
__device__ inline void mirrored(const Arguments& g) {
  constexpr int R = stages[S].radix;
  for (int i = threadIdx.x; i < UNITS * PAIRS; i += THREADS) {
    const int number = i / PAIRS, pair = i % PAIRS;
    const int here = g.mirror[2 * pair], code = g.mirror[2 * pair + 1], there = code / 2;
    const Unit& unit = units_of_block()[number];
    const Complex* spectrum = g.spectrum + unit.spectrum + pair;
    Complex v[R], w[R];
    each<R>([&](auto i) {
      constexpr int q = decltype(i)::value;
      v[q] = S == 0 ? load(g, unit, here * R + q) : data()[place(number * LENGTH + here * R + q)];
      w[q] = S == 0 ? load(g, unit, there * R + q) : data()[place(number * LENGTH + there * R + q)];
    });
    transform<-1>(v);
    transform<-1>(w);
    if (code % 2) {
      mirrored_product<1>(spectrum, v, w);
    } else {
      mirrored_product<0>(spectrum, v, w);
    }
    inverse_butterfly<S>(g, unit, v, number, here * R, 0);
    if (there != here) inverse_butterfly<S>(g, unit, w, number, there * R, 0);
  }
}

// Stage S of the forward transform, decimation in frequency: the result is in digit-reversed order, in place. The last stage is followed at once,
// in registers, by the product with the spectrum and by the first stage of the inverse transform, which takes the same elements.
template <int S>
__device__ inline void forward_butterflies(const Arguments& g) {
  constexpr int R = stages[S].radix, STEP = stages[S].span * stages[S].inner, COUNT = LENGTH / R;
  butterflies<S>([&](int number, int k, int base, int j) {
    const Unit& unit = units_of_block()[number];
    Complex v[R];
    each<R>([&](auto i) {
      constexpr int q = decltype(i)::value;
      if constexpr (S == 0) {
        v[q] = load(g, unit, base + q * STEP);
      } else {
        v[q] = data()[place(number * LENGTH + base + q * STEP)];
      }
    });
    transform<-1>(v);
    if constexpr (S < LAST) {
      twiddle<S, -1>(g.twiddles, v, j);
      each<R>([&](auto i) { data()[place(number * LENGTH + base + decltype(i)::value * STEP)] = v[decltype(i)::value]; });
    } else if constexpr (PASS == ROWS) {
      if (unit.first >= 0) each<R>([&](auto i) { g.workspace[unit.workspace + decltype(i)::value * COUNT + k] = v[decltype(i)::value]; });
    } else {
      each<R>([&](auto i) {
        constexpr int q = decltype(i)::value;
        if constexpr (PASS == COLUMNS) {
          const int element = base + q * STEP, column = element % TILE;
          if (column < unit.columns) v[q] = v[q] * look_up(g.spectrum + unit.spectrum + (long long)(element / TILE) * M2 + column);
        } else {
          v[q] = v[q] * look_up(g.spectrum + unit.spectrum + q * COUNT + k);
        }
      });
      inverse_butterfly<S>(g, unit, v, number, base, j);
    }
  });
}

template <int S>
__device__ inline void forward(const Arguments& g) {
  if constexpr (S == LAST && MODE == HALF) {
    mirrored<S>(g);
  } else {
    forward_butterflies<S>(g);
  }
  if constexpr (S < LAST) {
    __syncthreads();
    forward<S + 1>(g);
  }
}

// Stage S of the inverse transform, decimation in time from digit-reversed order.
template <int S>
__device__ inline void inverse(const Arguments& g) {
  constexpr int R = stages[S].radix, STEP = stages[S].span * stages[S].inner, COUNT = LENGTH / R;
  __syncthreads();
  butterflies<S>([&](int number, int k, int base, int j) {
    const Unit& unit = units_of_block()[number];
    Complex v[R];
    each<R>([&](auto i) {
      constexpr int q = decltype(i)::value;
      if constexpr (PASS == ROWS_BACK && S == LAST) {
        v[q] = unit.first < 0 ? Complex{0, 0} : g.workspace[unit.workspace + q * COUNT + k];
      } else {
        v[q] = data()[place(number * LENGTH + base + q * STEP)];
      }
    });
    inverse_butterfly<S>(g, unit, v, number, base, j);
  });
  if constexpr (S > 0) inverse<S - 1>(g);
}

extern "C" __global__ void __launch_bounds__(THREADS, MIN_BLOCKS)
    fused(const Scalar* x, Scalar* out, Complex* workspace, const Complex* spectrum, const Complex* twiddles, const int* mirror, const Scalar* bias,
          REAL scale, long long first_transform, long long transforms, long long sharing, long long kernels, long long repeat, long long channels,
          long long channel_repeat) {
  const Arguments g = {x,     out,   workspace,       spectrum,   twiddles, mirror,  bias,   scale,
                       first_transform, transforms, sharing, kernels, repeat, channels, channel_repeat};
  find_units(g);
  __syncthreads();
  if constexpr (PASS == ROWS_BACK) {
    inverse<LAST>(g);
  } else {
    forward<0>(g);
    if constexpr (PASS != ROWS && LAST > 0) inverse<LAST - 1>(g);
  }
}
