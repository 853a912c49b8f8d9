/**
 * Numbers of the system calls that this folder, or a test, makes or denies: [x86-64, arm64], from Linux' arch/x86/entry/syscalls/
 * syscall_64.tbl and include/uapi/asm-generic/unistd.h. One number: the same on both, as all since Linux 5.1. null: the
 * architecture has no such call.
 */
const TABLE = {
  _sysctl: [156, null],
  acct: [163, 89],
  add_key: [248, 217],
  adjtimex: [159, 171],
  afs_syscall: [183, null],
  bpf: [321, 280],
  chdir: [80, 49],
  chroot: [161, 51],
  clock_adjtime: [305, 266],
  clock_settime: [227, 112],
  clone: [56, 220],
  clone3: 435,
  close: [3, 57],
  connect: [42, 203],
  create_module: [174, null],
  delete_module: [176, 106],
  fanotify_init: [300, 262],
  fanotify_mark: [301, 263],
  fchdir: [81, 50],
  fcntl: [72, 25],
  finit_module: [313, 273],
  fork: [57, null],
  fsconfig: 431,
  fsmount: 432,
  fsopen: 430,
  fspick: 433,
  get_kernel_syms: [177, null],
  init_module: [175, 105],
  io_uring_enter: 426,
  io_uring_register: 427,
  io_uring_setup: 425,
  ioctl: [16, 29],
  ioperm: [173, null],
  iopl: [172, null],
  ioprio_set: [251, 30],
  kcmp: [312, 272],
  kexec_file_load: [320, 294],
  kexec_load: [246, 104],
  keyctl: [250, 219],
  kill: [62, 129],
  landlock_add_rule: 445,
  landlock_create_ruleset: 444,
  landlock_restrict_self: 446,
  listmount: 458,
  lookup_dcookie: [212, 18],
  memfd_secret: 447,
  migrate_pages: [256, 238],
  mknod: [133, null],
  mknodat: [259, 33],
  modify_ldt: [154, null],
  mount: [165, 40],
  mount_setattr: 442,
  move_mount: 429,
  move_pages: [279, 239],
  mq_open: [240, 180],
  mq_unlink: [241, 181],
  msgctl: [71, 187],
  msgget: [68, 186],
  msgrcv: [70, 188],
  msgsnd: [69, 189],
  name_to_handle_at: [303, 264],
  nfsservctl: [180, 42],
  open_by_handle_at: [304, 265],
  open_tree: 428,
  open_tree_attr: 467,
  perf_event_open: [298, 241],
  personality: [135, 92],
  pidfd_getfd: 438,
  pidfd_open: 434,
  pidfd_send_signal: 424,
  pivot_root: [155, 41],
  prctl: [157, 167],
  prlimit64: [302, 261],
  process_madvise: 440,
  process_mrelease: 448,
  process_vm_readv: [310, 270],
  process_vm_writev: [311, 271],
  ptrace: [101, 117],
  query_module: [178, null],
  quotactl: [179, 60],
  quotactl_fd: 443,
  reboot: [169, 142],
  request_key: [249, 218],
  rt_sigqueueinfo: [129, 138],
  rt_tgsigqueueinfo: [297, 240],
  sched_setaffinity: [203, 122],
  sched_setattr: [314, 274],
  sched_setparam: [142, 118],
  sched_setscheduler: [144, 119],
  seccomp: [317, 277],
  semctl: [66, 191],
  semget: [64, 190],
  semop: [65, 193],
  semtimedop: [220, 192],
  setdomainname: [171, 162],
  sethostname: [170, 161],
  setns: [308, 268],
  setpriority: [141, 140],
  settimeofday: [164, 170],
  setxattr: [188, 5],
  shmat: [30, 196],
  shmctl: [31, 195],
  shmdt: [67, 197],
  shmget: [29, 194],
  socket: [41, 198],
  statmount: 457,
  swapoff: [168, 225],
  swapon: [167, 224],
  sysfs: [139, null],
  syslog: [103, 116],
  tgkill: [234, 131],
  tkill: [200, 130],
  umount2: [166, 39],
  unshare: [272, 97],
  uselib: [134, null],
  userfaultfd: [323, 282],
  ustat: [136, null],
  vfork: [58, null],
  vhangup: [153, 58],
} as const satisfies Readonly<Record<string, number | readonly [x64: number, arm64: number | null]>>;

export type SystemCall = keyof typeof TABLE;

/** The highest number that either architecture knew when this was written (file_setattr, Linux 6.17). */
export const HIGHEST_KNOWN_NUMBER = 469;

/** A machine that these calls can be made on. */
export interface Architecture {
  /** Its number of a call; null: it has none. */
  numberOf(name: SystemCall): number | null;
  /** linux/audit.h: what a seccomp filter sees of it. */
  readonly audit: number;
}

const architecture = (audit: number, column: 0 | 1): Architecture => ({
  audit,
  numberOf: (name) => {
    const entry: number | readonly [number, number | null] = TABLE[name];
    return typeof entry === 'number' ? entry : entry[column];
  },
});

/** By Node's process.arch. */
export const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: architecture(0xc000003e, 0),
  arm64: architecture(0xc00000b7, 1),
};
