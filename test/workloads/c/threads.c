// Adds up in threads: four of them, each a million times; 'sum 4000000'. With `trap` one of them traps; with `forks` it
// starts as many as it gets, each of which computes for ever, and says how many those are: 'got 63'.
// Without a libc, as wasi-libc's for threads is not among what tests install: what it does to start a thread is below.
#include <stddef.h>
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))

IMPORT("wasi", "thread-spawn") int32_t thread_spawn(void *start);
IMPORT("wasi_snapshot_preview1", "fd_write")
uint16_t fd_write(uint32_t fd, const void *vectors, uint32_t count, uint32_t *written);
IMPORT("wasi_snapshot_preview1", "args_sizes_get") uint16_t args_sizes_get(uint32_t *count, uint32_t *size);
IMPORT("wasi_snapshot_preview1", "args_get") uint16_t args_get(char **arguments, char *bytes);

enum { THREADS = 4, MOST_THREADS = 100, ROUNDS = 1000000, STACK = 4096, ARGUMENTS = 8, ARGUMENT_BYTES = 256 };

struct start {
  void *stack_top;
  int traps;
  int ends;
};

static _Alignas(16) char stacks[MOST_THREADS][STACK];
static struct start starts[MOST_THREADS];
static uint32_t sum;
static uint32_t running = THREADS;

__attribute__((noinline)) static void work(const struct start *start) {
  if (start->traps) __builtin_trap();
  for (uint32_t round = 0; round < ROUNDS || !start->ends; round++) __atomic_fetch_add(&sum, 1, __ATOMIC_RELAXED);
}

void thread_main(int32_t id, struct start *start) {
  (void)id;
  work(start);
  __atomic_fetch_sub(&running, 1, __ATOMIC_SEQ_CST);
  __builtin_wasm_memory_atomic_notify((int *)&running, 1);
}

// A thread begins without a stack: its instance's stack pointer is still that of the first thread.
__asm__(".globaltype __stack_pointer, i32\n"
        ".functype thread_main (i32, i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        ".export_name wasi_thread_start, wasi_thread_start\n"
        "wasi_thread_start:\n"
        "  .functype wasi_thread_start (i32, i32) -> ()\n"
        "  local.get 1\n"
        "  i32.load 0\n"
        "  global.set __stack_pointer\n"
        "  local.get 0\n"
        "  local.get 1\n"
        "  call thread_main\n"
        "  end_function\n");

static void print(const char *label, uint32_t number) {
  char text[32];
  size_t end = sizeof text;
  text[--end] = '\n';
  do text[--end] = '0' + number % 10;
  while ((number /= 10) != 0);
  const struct { const char *start; uint32_t length; } vectors[] = {{label, 4}, {text + end, sizeof text - end}};
  uint32_t written;
  fd_write(1, vectors, 2, &written);
}

/** The first letter of the first argument; 0 without one. */
static char mode(void) {
  static char *arguments[ARGUMENTS], bytes[ARGUMENT_BYTES];
  uint32_t count = 0, size = 0;
  args_sizes_get(&count, &size);
  if (count < 2 || count > ARGUMENTS || size > ARGUMENT_BYTES || args_get(arguments, bytes) != 0) return 0;
  return arguments[1][0];
}

static int spawn(int thread, int traps, int ends) {
  starts[thread] = (struct start){stacks[thread] + STACK, traps, ends};
  return thread_spawn(&starts[thread]);
}

static void fork_threads(void) {
  uint32_t count = 0;
  while (count < MOST_THREADS && spawn((int)count, 0, 0) >= 0) count++;
  print("got ", count);
  for (;;) __builtin_wasm_memory_atomic_wait32((int *)&sum, 0, 1000000000);
}

void _start(void) {
  char how = mode();
  if (how == 'f') fork_threads();
  for (int thread = 0; thread < THREADS; thread++) {
    if (spawn(thread, how == 't' && thread == THREADS - 1, 1) < 0) __builtin_trap();
  }
  for (uint32_t left; (left = __atomic_load_n(&running, __ATOMIC_SEQ_CST)) != 0;)
    __builtin_wasm_memory_atomic_wait32((int *)&running, left, -1);
  print("sum ", sum);
}
