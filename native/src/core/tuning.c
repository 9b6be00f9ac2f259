#include "core/tuning.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/glibc.h"
#include "core/status.h"
#include "core/system.h"
#include "core/tensor.h"

#define MAX_FILE (4 << 20)  /* bytes; some 40,000 shapes */
#define PATH_BYTES 4096
#define MAX_PROBLEM 512

/* The kinds of entries: a convolution's passes, on a device with ways to convolve; matrix products on the others. */
enum { PRODUCT = HY_CONV_PASS_COUNT, KINDS };
static const char *const kind_name[KINDS] = {"forward", "input_grad", "weight_grad", "matmul"};
static const char *const product_way_name[HY_PRODUCT_WAY_COUNT] = {"unknown", "hybrid", "cublas"};
static const char *const way_name[HY_CONV_WAY_COUNT] = {"chosen", "winograd4", "winograd2", "direct", "flat", "batch", "columns", "dot", "channels", "packed"};

const char *hy_conv_pass_name(int32_t pass) { return pass >= 0 && pass < HY_CONV_PASS_COUNT ? kind_name[pass] : NULL; }
const char *hy_conv_way_name(int32_t way) { return way >= 0 && way < HY_CONV_WAY_COUNT ? way_name[way] : NULL; }

/* ---- Entries ---- */

/* A convolution's shape: what stands before each number in the file, and its least value. */
enum { N, C, H, W, K, R, S, STRIDE, PADDING = STRIDE + 2, DILATION = PADDING + 2, GROUPS = DILATION + 2, NUMBERS };
static const char *const label[NUMBERS] = {" N", " C", " H", " W", " K", " R", " S", " s", ",", " p", ",", " d", ",", " g"};
static const int8_t least[NUMBERS] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 1, 1, 1};

/* A product's: see hy_product. */
enum { PRODUCT_NUMBERS = 9 };
static const char *const product_label[PRODUCT_NUMBERS] = {" B", " M", " N", " K", " a", " b", " y", " s", " t"};
static const int8_t product_least[PRODUCT_NUMBERS] = {1, 1, 1, 1, 0, 0, 0, 0, 0};

typedef struct key {
    int32_t kind, dtype, number[NUMBERS]; /* a product uses fewer, and the others are 0 */
} key;

static int32_t numbers_of(int32_t kind) { return kind == PRODUCT ? PRODUCT_NUMBERS : NUMBERS; }
static const char *const *labels_of(int32_t kind) { return kind == PRODUCT ? product_label : label; }
static const int8_t *least_of(int32_t kind) { return kind == PRODUCT ? product_least : least; }

typedef struct entry {
    key key;
    int32_t way;
} entry;

typedef struct table {
    entry *entries; /* in the order of their keys */
    int64_t count, room;
} table;

struct hy_tuning {
    pthread_rwlock_t lock;
    bool started;              /* the path is known and the file read, or another table was loaded before that */
    hy_status status;          /* what became of reading */
    char problem[MAX_PROBLEM];
    char path[PATH_BYTES];
    table table;
};

/* Whether the device leaves a choice of matrix products rather than of convolutions. */
static bool leaves_products(const hy_device *device) { return device->info.kind == HY_CUDA; }

hy_tuning *hy_tuning_create(void)
{
    hy_tuning *t = calloc(1, sizeof *t);
    if (t) pthread_rwlock_init(&t->lock, NULL);
    return t;
}

/* False where a number is beyond what an entry holds: no table has such a shape. */
static bool fill_key(key *k, int32_t kind, int32_t dtype, const int64_t *number)
{
    *k = (key){.kind = kind, .dtype = dtype};
    for (int i = 0; i < numbers_of(kind); i++) {
        if (number[i] < least_of(kind)[i] || number[i] > INT32_MAX) return false;
        k->number[i] = (int32_t)number[i];
    }
    return true;
}

static bool make_product_key(const hy_product *p, key *k)
{
    const int64_t number[PRODUCT_NUMBERS] = {p->batch, p->m, p->n, p->k, p->a_transposed, p->b_transposed, p->y_transposed, p->sums, p->tf32};
    return fill_key(k, PRODUCT, p->dtype, number);
}

static bool make_key(int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y, key *k)
{
    const int64_t number[NUMBERS] = {x->shape[0], x->shape[1], x->shape[2], x->shape[3], y->shape[1], w->shape[2], w->shape[3], p->stride[0],
                                     p->stride[1], p->padding[0], p->padding[1], p->dilation[0], p->dilation[1], p->groups};
    return fill_key(k, pass, x->dtype, number);
}

static int compare(const key *a, const key *b)
{
    if (a->kind != b->kind) return a->kind < b->kind ? -1 : 1;
    if (a->dtype != b->dtype) return a->dtype < b->dtype ? -1 : 1;
    for (int i = 0; i < NUMBERS; i++)
        if (a->number[i] != b->number[i]) return a->number[i] < b->number[i] ? -1 : 1;
    return 0;
}

/* Where the key is, or belongs. */
static int64_t place(const table *t, const key *k, bool *found)
{
    int64_t low = 0, high = t->count;
    *found = false;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        int order = compare(&t->entries[middle].key, k);
        if (order == 0) *found = true;
        if (order < 0) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* HY_CONV_WAY_chosen takes the key out, and so does HY_PRODUCT_WAY_unknown, which is the same number. */
static hy_status put(table *t, const key *k, int32_t way)
{
    bool found;
    int64_t at = place(t, k, &found);
    if (found && way != HY_CONV_WAY_chosen) t->entries[at].way = way;
    else if (found) memmove(t->entries + at, t->entries + at + 1, (size_t)(--t->count - at) * sizeof(entry));
    if (found || way == HY_CONV_WAY_chosen) return HY_OK;
    if (t->count == t->room) {
        int64_t room = t->room ? 2 * t->room : 16;
        entry *more = realloc(t->entries, (size_t)room * sizeof(entry));
        if (!more) return hy_fail(HY_OUT_OF_MEMORY, "Tuning: no memory for %lld shapes", (long long)room);
        t->entries = more;
        t->room = room;
    }
    memmove(t->entries + at + 1, t->entries + at, (size_t)(t->count++ - at) * sizeof(entry));
    t->entries[at] = (entry){*k, way};
    return HY_OK;
}

/* ---- Lines ---- */

static bool literal(const char **at, const char *text)
{
    size_t length = strlen(text);
    if (strncmp(*at, text, length) != 0) return false;
    *at += length;
    return true;
}

/* One of some names, a whole word; -1 for none. */
static int32_t word(const char **at, const char *const *names, int32_t count)
{
    size_t length = strcspn(*at, " ");
    for (int32_t i = 0; i < count; i++)
        if (strlen(names[i]) == length && strncmp(*at, names[i], length) == 0) {
            *at += length;
            return i;
        }
    return -1;
}

static bool number(const char **at, int32_t low, int32_t *value)
{
    int64_t n = 0;
    const char *start = *at;
    for (; **at >= '0' && **at <= '9' && n <= INT32_MAX; ++*at) n = 10 * n + (**at - '0');
    *value = (int32_t)n;
    return *at > start && n >= low && n <= INT32_MAX;
}

static bool make_view(int32_t dtype, const int64_t shape[4], hy_tensor *t)
{
    int64_t bytes = hy_dtype_size(dtype);
    *t = (hy_tensor){.dtype = dtype, .ndim = 4};
    for (int i = 0; i < 4; i++) {
        t->shape[i] = shape[i];
        if (shape[i] < 1 || __builtin_mul_overflow(bytes, shape[i], &bytes)) return false;
    }
    *t = hy_contiguous_like(t, NULL);
    return true;
}

/* The views of a convolution of that shape; false where there is no such convolution. */
static bool make_views(const key *k, hy_conv2d_params *p, hy_tensor *x, hy_tensor *w, hy_tensor *y)
{
    const int32_t *n = k->number;
    int64_t out[2];
    *p = (hy_conv2d_params){.groups = n[GROUPS]};
    for (int i = 0; i < 2; i++) {
        p->stride[i] = n[STRIDE + i];
        p->padding[i] = n[PADDING + i];
        p->dilation[i] = n[DILATION + i];
        int64_t room = n[H + i] + 2 * (int64_t)p->padding[i] - (int64_t)p->dilation[i] * (n[R + i] - 1) - 1;
        out[i] = room < 0 ? 0 : room / p->stride[i] + 1;
    }
    return n[C] % p->groups == 0 && n[K] % p->groups == 0 && make_view(k->dtype, (int64_t[]){n[N], n[C], n[H], n[W]}, x)
           && make_view(k->dtype, (int64_t[]){n[K], n[C] / p->groups, n[R], n[S]}, w)
           && make_view(k->dtype, (int64_t[]){n[N], n[K], out[0], out[1]}, y);
}

/* NULL, or what is wrong with a convolution's way. */
static const char *check_conv_way(hy_device *device, const key *k, int32_t way)
{
    if (way <= HY_CONV_WAY_chosen) return "expected a way, winograd4 say, at the end";
    hy_conv2d_params p;
    hy_tensor x, w, y;
    if (!make_views(k, &p, &x, &w, &y)) return "there is no convolution of this shape";
    int64_t serving = 0;
    hy_status status = device->backend.conv2d_ways(device, k->kind, &p, &x, &w, &y, &serving, NULL);
    return status != HY_OK || !(serving >> way & 1) ? "the way does not serve this shape" : NULL;
}

static const char *read_numbers(const char **at, key *k)
{
    for (int i = 0; i < numbers_of(k->kind); i++)
        if (!literal(at, labels_of(k->kind)[i]) || !number(at, least_of(k->kind)[i], &k->number[i]))
            return k->kind == PRODUCT ? "expected a product like B1 M512 N512 K64 a0 b1 y0 s0 t0"
                                      : "expected a shape like N8 C64 H56 W56 K64 R3 S3 s1,1 p1,1 d1,1 g1";
    return literal(at, " ") ? NULL : "expected a way at the end";
}

/* NULL, or what is wrong with the line. */
static const char *read_line(hy_device *device, const char *at, table *t)
{
    static const char *const dtypes[] = {"float32", "float64", "bfloat16", "float16"};
    static const int32_t dtype_of[] = {HY_FLOAT32, HY_FLOAT64, HY_BFLOAT16, HY_FLOAT16};
    const bool products = leaves_products(device);
    key k = {.kind = products ? word(&at, kind_name + PRODUCT, 1) : word(&at, kind_name, HY_CONV_PASS_COUNT)};
    if (k.kind < 0) return products ? "expected matmul" : "expected forward, input_grad or weight_grad";
    if (products) k.kind = PRODUCT;
    const int32_t dtype = literal(&at, " ") ? word(&at, dtypes, products ? 4 : 2) : -1;
    if (dtype < 0) return products ? "expected float32, float64, bfloat16 or float16" : "expected float32 or float64";
    k.dtype = dtype_of[dtype];
    const char *problem = read_numbers(&at, &k);
    if (problem) return problem;
    const int32_t way = products ? word(&at, product_way_name, HY_PRODUCT_WAY_COUNT) : word(&at, way_name, HY_CONV_WAY_COUNT);
    if (*at) return "expected a way, and nothing behind it, at the end";
    problem = products ? (way <= HY_PRODUCT_WAY_unknown ? "expected hybrid or cublas at the end" : NULL) : check_conv_way(device, &k, way);
    if (problem) return problem;
    bool found;
    place(t, &k, &found);
    if (found) return "the shape was named before";
    return put(t, &k, way) == HY_OK ? NULL : "there is no memory for it";
}

static void format_line(const entry *e, char line[512])
{
    const int32_t kind = e->key.kind;
    int length = snprintf(line, 512, "%s %s", kind_name[kind], hy_dtype_name(e->key.dtype));
    for (int i = 0; i < numbers_of(kind); i++) length += snprintf(line + length, 512 - (size_t)length, "%s%d", labels_of(kind)[i], e->key.number[i]);
    snprintf(line + length, 512 - (size_t)length, " %s\n", kind == PRODUCT ? product_way_name[e->way] : way_name[e->way]);
}

/* ---- Files ---- */

enum { HEADER = 3 };

/* The processor's has one more, that is not compared. */
static int64_t header_lines(const hy_device *device) { return leaves_products(device) ? HEADER : HEADER + 1; }

/* The lines that must be there to the letter, each with how it begins. */
static void format_header(const hy_device *device, char lines[HEADER][128])
{
    snprintf(lines[0], 128, "hybrid tuning 1");
    snprintf(lines[1], 128, "%s %s", leaves_products(device) ? "gpu" : "cpu", device->info.name);
    snprintf(lines[2], 128, "isa %s", device->info.isa);
}

/* NULL, or what is wrong with that line of the header. */
static const char *read_header(hy_device *device, int64_t index, const char *at)
{
    char expected[HEADER][128];
    format_header(device, expected);
    if (index < HEADER) {
        if (strcmp(at, expected[index]) == 0) return NULL;
        return index == 0 ? "expected 'hybrid tuning 1'" : index == 1 ? "it was measured on another processor" : "it was measured with another instruction set";
    }
    int32_t threads;
    return literal(&at, "threads ") && number(&at, 1, &threads) && !*at ? NULL : "expected 'threads' and their number";
}

/* Cuts `text` into its lines. */
static hy_status read_text(hy_device *device, const char *path, char *text, int64_t bytes, table *t)
{
    int64_t index = 0;
    const char *problem = memchr(text, 0, (size_t)bytes) ? "there is a zero byte in it" : NULL;
    for (char *line = text, *end; !problem && line < text + bytes; line = end + 1, index++) {
        end = strchr(line, '\n');
        if (!end) {
            problem = "the file is cut off";
        } else {
            *end = 0;
            problem = index < header_lines(device) ? read_header(device, index, line) : read_line(device, line, t);
        }
        if (problem) break;
    }
    if (!problem && index < header_lines(device)) problem = "the file is cut off";
    if (!problem) return HY_OK;
    return hy_fail(HY_BAD_ARGUMENT, "Tuning: %s, line %lld: %s; delete the file%s", path, (long long)index + 1, problem,
                   leaves_products(device) ? "" : ", or have 'hybrid tune' write it anew");
}

static hy_status read_file(hy_device *device, const char *path, table *t)
{
    FILE *file = hy_system_open(path);
    if (!file) return hy_fail(HY_BAD_ARGUMENT, "Tuning: %s cannot be read: %s", path, strerror(errno));
    hy_status status = HY_OK;
    char *text = malloc(MAX_FILE + 1);
    int64_t bytes = text ? (int64_t)fread(text, 1, MAX_FILE + 1, file) : 0;
    if (!text) status = hy_fail(HY_OUT_OF_MEMORY, "Tuning: no memory to read %s", path);
    else if (ferror(file)) status = hy_fail(HY_BAD_ARGUMENT, "Tuning: %s cannot be read: %s", path, strerror(errno));
    else if (bytes > MAX_FILE) status = hy_fail(HY_BAD_ARGUMENT, "Tuning: %s is no tuning table: it has more than %d bytes", path, MAX_FILE);
    else {
        text[bytes] = 0;
        status = read_text(device, path, text, bytes, t);
    }
    free(text);
    fclose(file);
    return status;
}

static bool write_file(hy_device *device, FILE *file)
{
    const table *t = &device->tuning->table;
    char header[HEADER][128], line[512];
    format_header(device, header);
    for (int i = 0; i < HEADER; i++) fprintf(file, "%s\n", header[i]);
    if (!leaves_products(device)) fprintf(file, "threads %d\n", hy_get_num_threads());
    for (int64_t i = 0; i < t->count; i++) {
        format_line(&t->entries[i], line);
        fputs(line, file);
    }
    return !ferror(file);
}

/* ---- The device's table ---- */

/* The file that the environment names, or one in the user's cache; "" for no file. Whether there is one to read: what was asked for has to be there,
 * unless products write it as they go; the other need not. GPUs have a variable of their own, because a file belongs to a device. */
static bool find_path(hy_device *device)
{
    char *path = device->tuning->path, wanted[PATH_BYTES], cache[PATH_BYTES], cpu[sizeof device->info.name];
    if (hy_system_variable(leaves_products(device) ? "HYBRID_CUDA_TUNING" : "HYBRID_TUNING", wanted, sizeof wanted)) {
        snprintf(path, PATH_BYTES, "%s", strcmp(wanted, "none") == 0 ? "" : wanted);
        return *path && (!leaves_products(device) || hy_system_exists(path));
    }
    if (!hy_system_cache_folder(cache, sizeof cache)) return false;
    snprintf(cpu, sizeof cpu, "%s", device->info.name);
    for (char *c = cpu; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9'))) *c = '-';
    int length = snprintf(path, PATH_BYTES, "%s/hybrid/tuning-%s-%s.txt", cache, device->info.isa, cpu);
    if (length >= PATH_BYTES) *path = 0; /* no file has such a name */
    return *path && hy_system_exists(path);
}

/* Finds the path and reads its file. The lock is held. */
static void start(hy_device *device)
{
    hy_tuning *t = device->tuning;
    t->started = true;
    if (!find_path(device)) return;
    t->status = read_file(device, t->path, &t->table);
    if (t->status == HY_OK) return;
    snprintf(t->problem, sizeof t->problem, "%s", hy_last_error());
    free(t->table.entries);
    t->table = (table){0};
}

/* Ends with the lock held for reading, the file read. */
static void lock_started(hy_device *device)
{
    hy_tuning *t = device->tuning;
    pthread_rwlock_rdlock(&t->lock);
    if (t->started) return;
    pthread_rwlock_unlock(&t->lock);
    pthread_rwlock_wrlock(&t->lock);
    if (!t->started) start(device);
    pthread_rwlock_unlock(&t->lock);
    pthread_rwlock_rdlock(&t->lock);
}

/* The way of a key, or 0. */
static int32_t look_up(const table *t, const key *k)
{
    bool found;
    const int64_t at = place(t, k, &found);
    return found ? t->entries[at].way : 0;
}

hy_status hy_tuning_find(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                         int32_t *way)
{
    hy_tuning *t = device->tuning;
    *way = HY_CONV_WAY_chosen;
    lock_started(device);
    key k;
    hy_status status = t->status == HY_OK ? HY_OK : hy_fail(t->status, "%s", t->problem);
    if (status == HY_OK && t->table.count > 0 && make_key(pass, p, x, w, y, &k)) *way = look_up(&t->table, &k);
    pthread_rwlock_unlock(&t->lock);
    return status;
}

hy_status hy_tuning_find_product(hy_device *device, const hy_product *p, int32_t *way)
{
    hy_tuning *t = device->tuning;
    key k;
    lock_started(device);
    hy_status status = t->status == HY_OK ? HY_OK : hy_fail(t->status, "%s", t->problem);
    *way = status != HY_OK ? HY_PRODUCT_WAY_unknown : make_product_key(p, &k) ? look_up(&t->table, &k) : HY_PRODUCT_WAY_hybrid;
    pthread_rwlock_unlock(&t->lock);
    return status;
}

const char *hy_tuning_default_path(hy_device *device)
{
    hy_tuning *t = device->tuning;
    lock_started(device);
    pthread_rwlock_unlock(&t->lock);
    return t->path;
}

hy_status hy_tuning_read(hy_device *device, const char *path)
{
    hy_tuning *t = device->tuning;
    table fresh = {0};
    hy_status status = path ? read_file(device, path, &fresh) : HY_OK;
    if (status != HY_OK) {
        free(fresh.entries);
        return status;
    }
    lock_started(device);
    pthread_rwlock_unlock(&t->lock);
    pthread_rwlock_wrlock(&t->lock);
    free(t->table.entries);
    t->table = fresh;
    t->status = HY_OK;
    pthread_rwlock_unlock(&t->lock);
    return HY_OK;
}

hy_status hy_tuning_write(hy_device *device, const char *path)
{
    hy_tuning *t = device->tuning;
    char beside[PATH_BYTES + 32];
    if (!*path || strlen(path) >= PATH_BYTES) return hy_fail(HY_BAD_ARGUMENT, "Tuning: expected a path of 1 to %d bytes", PATH_BYTES - 1);
    hy_system_make_folders(path);
    FILE *file = hy_system_create_beside(path, beside, sizeof beside);
    bool written = false;
    if (file) {
        lock_started(device);
        written = write_file(device, file);
        pthread_rwlock_unlock(&t->lock);
        written = hy_system_replace(file, written, beside, path);
    }
    return written ? HY_OK : hy_fail(HY_BAD_ARGUMENT, "Tuning: %s cannot be written: %s", path, strerror(errno));
}

static hy_status put_locked(hy_device *device, const key *k, int32_t way)
{
    hy_tuning *t = device->tuning;
    lock_started(device);
    pthread_rwlock_unlock(&t->lock);
    pthread_rwlock_wrlock(&t->lock);
    hy_status status = t->status == HY_OK ? put(&t->table, k, way) : hy_fail(t->status, "%s", t->problem);
    pthread_rwlock_unlock(&t->lock);
    return status;
}

hy_status hy_tuning_put(hy_device *device, int32_t pass, const hy_conv2d_params *p, const hy_tensor *x, const hy_tensor *w, const hy_tensor *y,
                        int32_t way)
{
    key k;
    if (!make_key(pass, p, x, w, y, &k)) return hy_fail(HY_BAD_ARGUMENT, "TuningSet: the shape is empty, or has an extent beyond %d", INT32_MAX);
    return put_locked(device, &k, way);
}

hy_status hy_tuning_remember_product(hy_device *device, const hy_product *p, int32_t way)
{
    key k;
    if (!make_product_key(p, &k)) return HY_OK;
    hy_status status = put_locked(device, &k, way);
    if (status != HY_OK) return status;
    const char *path = hy_tuning_default_path(device);
    if (*path) hy_tuning_write(device, path); /* where it fails, the next process measures again: no reason for a product to fail */
    return HY_OK;
}
