/** What an image's configuration says about its container. */
export interface StandInConfig {
  readonly entrypoint: readonly string[];
  readonly cmd: readonly string[];
  /** 'NAME=value' */
  readonly env: readonly string[];
  readonly workingDir: string;
  /** '', or as in USER of a Dockerfile. */
  readonly user: string;
}

export interface StandInImage {
  readonly name: string;
  /** The folder under cmd/. */
  readonly command: string;
  /** Where the module lies in the image, absolute. */
  readonly program: string;
  /** More links, to absolute paths. */
  readonly links?: Readonly<Record<string, string>>;
  readonly directories?: readonly string[];
  /** Content by absolute path. */
  readonly files?: Readonly<Record<string, string>>;
  /** Whether /localhost.crt and /localhost.key are there. */
  readonly certificate?: boolean;
  /** Whether /bin has the shell and its programs, /etc the accounts. */
  readonly shell: boolean;
  readonly config: StandInConfig;
}

const ENV = ['PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'];

function config(given: Partial<StandInConfig>): StandInConfig {
  return { entrypoint: [], cmd: [], env: ENV, workingDir: '/', user: '', ...given };
}

const AGNHOST = {
  command: 'agnhost',
  program: '/agnhost',
  links: { '/agnhost-2': '/agnhost', '/bin/bash': '/agnhost' },
  certificate: true,
  directories: ['/uploads', '/root', '/home/user-defined-in-image'],
  shell: true,
  config: config({ entrypoint: ['/agnhost'], cmd: ['pause'] }),
} as const;

const BUSYBOX = {
  command: 'busybox',
  program: '/bin/busybox',
  directories: ['/root', '/home', '/dev', '/var'],
  shell: true,
  config: config({ cmd: ['sh'] }),
} as const;

const NGINX_PAGE = `<!DOCTYPE html>
<html>
<head><title>Welcome to nginx!</title></head>
<body><h1>Welcome to nginx!</h1></body>
</html>
`;

/** Paths, entry points and users as in the originals. */
export const IMAGES: readonly StandInImage[] = [
  { name: 'busybox', ...BUSYBOX },
  { name: 'glibc-dns-testing', ...BUSYBOX },
  { name: 'agnhost', ...AGNHOST },
  {
    name: 'pause',
    command: 'pause',
    program: '/pause',
    shell: false,
    config: config({ entrypoint: ['/pause'], user: '65535:65535' }),
  },
  {
    name: 'nginx',
    command: 'nginx',
    program: '/usr/sbin/nginx',
    directories: ['/root', '/var', '/usr/share/nginx/html'],
    files: { '/usr/share/nginx/html/index.html': NGINX_PAGE },
    shell: true,
    config: config({ cmd: ['nginx', '-g', 'daemon off;'] }),
  },
  {
    name: 'nonewprivs',
    command: 'nnp',
    program: '/usr/local/bin/nnp',
    shell: false,
    config: config({ cmd: ['nnp'] }),
  },
  { name: 'nonroot', ...AGNHOST, config: config({ entrypoint: ['/agnhost'], cmd: ['pause'], user: '1234' }) },
];

export const PASSWD: readonly string[] = [
  'root:x:0:0:root:/root:/bin/sh',
  'daemon:x:1:1:daemon:/usr/sbin:/bin/false',
  'bin:x:2:2:bin:/bin:/bin/false',
  'user-defined-in-image:x:1000:1000::/home/user-defined-in-image:/bin/sh',
  'nobody:x:65534:65534:nobody:/home:/bin/false',
];

export const GROUPS: readonly string[] = [
  'root:x:0:',
  'daemon:x:1:',
  'bin:x:2:',
  'user-defined-in-image:x:1000:',
  'group-defined-in-image:x:50000:user-defined-in-image',
  'nobody:x:65534:',
];
