#include "compute/cpu/conv_winograd.h"

#include "base/cpu_level.h"
#include "base/size.h"

enum { IN = SSFER_WINOGRAD_IN, OUT = SSFER_WINOGRAD_OUT, PRODUCTS = SSFER_WINOGRAD_PRODUCTS };

/* A picture of fewer tiles reads the transformed weights, four times as many as the plain ones, too often for too
 * little work; with fewer channels the transforms cost more than the products that they save. */
enum { LEAST_TILES = 9, LEAST_CHANNELS = 16 };

static size_t tile_count(size_t height, size_t width)
{
    return ((height + OUT - 1) / OUT) * ((width + OUT - 1) / OUT);
}

bool ssfer_winograd_pays(const ssfer_conv_shape *shape, size_t height, size_t width)
{
    bool fits = shape->kernel_h == 3 && shape->kernel_w == 3 && shape->stride == 1 && shape->pad_h == 1 &&
                shape->pad_w == 1 && !shape->depthwise;
    return fits && shape->in_channels >= LEAST_CHANNELS && shape->out_channels >= LEAST_CHANNELS &&
           tile_count(height, width) >= LEAST_TILES;
}

/* ---- weights ---- */

static size_t padded(size_t channels)
{
    return ssfer_align_size(channels, 16); /* one vector register of the widest level */
}

size_t ssfer_winograd_weight_floats(size_t in_channels, size_t out_channels)
{
    return PRODUCTS * in_channels * padded(out_channels);
}

/* u = G g G', G having a row [1 p p^2] / N(p) for each point p, N(p) the product of its distances to the others. */
static void transform_kernel(double u[IN][IN], const float *g)
{
    const double a = (double)SSFER_WINOGRAD_A, b = (double)SSFER_WINOGRAD_B;
    const double point[IN - 1] = {0, a, -a, b, -b};
    double G[IN][3] = {{0}}, rows[IN][3];
    for (int i = 0; i < IN - 1; i++) {
        double n = 1;
        for (int k = 0; k < IN - 1; k++)
            n *= k == i ? 1 : point[i] - point[k];
        G[i][0] = 1 / n;
        G[i][1] = point[i] / n;
        G[i][2] = point[i] * point[i] / n;
    }
    G[IN - 1][2] = 1;
    for (int i = 0; i < IN; i++)
        for (int x = 0; x < 3; x++)
            rows[i][x] = G[i][0] * (double)g[x] + G[i][1] * (double)g[3 + x] + G[i][2] * (double)g[6 + x];
    for (int i = 0; i < IN; i++)
        for (int k = 0; k < IN; k++)
            u[i][k] = rows[i][0] * G[k][0] + rows[i][1] * G[k][1] + rows[i][2] * G[k][2];
}

void ssfer_winograd_transform(float *transformed, const float *weights, size_t in_channels, size_t out_channels)
{
    static const float none[9] = {0};
    const size_t out = padded(out_channels);
    for (size_t o = 0; o < out; o++) {
        size_t first = o / SSFER_WINOGRAD_PANEL * SSFER_WINOGRAD_PANEL;
        size_t panel = ssfer_min_size(out - first, SSFER_WINOGRAD_PANEL);
        for (size_t i = 0; i < in_channels; i++) {
            double u[IN][IN];
            transform_kernel(u, o < out_channels ? weights + (o * in_channels + i) * 9 : none);
            for (size_t k = 0; k < PRODUCTS; k++)
                transformed[(k * out + first) * in_channels + i * panel + o - first] = (float)u[k / IN][k % IN];
        }
    }
}

/* ---- scratch ---- */

size_t ssfer_winograd_block_tiles(size_t in_channels, size_t tiles)
{
    const size_t cache_floats = 160 * 1024; /* 640 KB, of the 1 MB and more that present processors have */
    size_t most = cache_floats / (PRODUCTS * (in_channels + SSFER_WINOGRAD_PANEL)) / 6 * 6;
    most = ssfer_min_size(ssfer_max_size(most, 12), 48);
    size_t blocks = ssfer_align_size((tiles + most - 1) / most, 2); /* an even share for two threads */
    return (tiles + blocks - 1) / blocks;
}

size_t ssfer_winograd_scratch_bytes(size_t in_channels, size_t height, size_t width, size_t threads)
{
    size_t tiles = ssfer_winograd_block_tiles(in_channels, tile_count(height, width));
    size_t matrices = tiles * (in_channels + SSFER_WINOGRAD_PANEL) + 2 * SSFER_WINOGRAD_GAP;
    return threads * PRODUCTS * matrices * sizeof(float);
}

/* ---- the level ---- */

void cpu_winograd_base(const ssfer_winograd *w);
#ifdef SSFER_CPU_X86
void cpu_winograd_v3(const ssfer_winograd *w);
void cpu_winograd_v4(const ssfer_winograd *w);
#endif

void ssfer_winograd_run(const ssfer_winograd *w)
{
#ifdef SSFER_CPU_X86
    const ssfer_cpu_level level = ssfer_cpu_level_in_use();
    if (level >= SSFER_CPU_LEVEL_AVX2) {
        level >= SSFER_CPU_LEVEL_AVX512 ? cpu_winograd_v4(w) : cpu_winograd_v3(w);
        return;
    }
#endif
    cpu_winograd_base(w);
}
