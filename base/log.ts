import winston from 'winston';

export { silentLogger } from './silent-logger.ts';

export type LogLevel = 'error' | 'warn' | 'info' | 'debug';
export type LogFormat = 'json' | 'human';
export type LogFields = Readonly<Record<string, unknown>>;

/** What every part logs through. Fields are values, not text woven into the message, so that JSON logs can be queried. */
export interface Logger {
  error(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  debug(message: string, fields?: LogFields): void;
  /** A logger that adds these fields to each line. */
  child(fields: LogFields): Logger;
}

const SECRET_KEY = /authorization|password|passwd|secret$|token|credential|private.?key(?!File$)|^auth$|cookie/i;
const SECRET_TEXT =
  /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|(?<=:\/\/)[^/\s:@]+:[^/\s@]+(?=@)/gi;
const MAX_DEPTH = 6;

/** A copy without secrets: values under telling keys, bearer and basic credentials, private keys, userinfo in URLs. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return value.replace(SECRET_TEXT, '[redacted]');
  if (typeof value === 'bigint') return value.toString();
  if (typeof value !== 'object' || value === null) return value;
  if (depth >= MAX_DEPTH) return '[…]';
  if (value instanceof Error) {
    return redact(
      {
        message: value.message,
        ...('code' in value ? { code: value.code } : {}),
        ...(value.cause === undefined ? {} : { cause: value.cause }),
      },
      depth + 1,
    );
  }
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      key,
      SECRET_KEY.test(key) && item !== undefined ? '[redacted]' : redact(item, depth + 1),
    ]),
  );
}

const withoutSecrets = winston.format((info) => Object.assign(info, redact({ ...info })));

const human = winston.format.printf(({ level, message, timestamp, ...fields }) => {
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)}`,
  );
  return `${String(timestamp)} ${level.toUpperCase().padEnd(5)} ${String(message)}${rest.join('')}`;
});

/**
 * The one place where logging is set up: lines on stderr, as the kubelet logs.
 * @param options level: the least severe level that is written; format: 'json' (one object a line) or 'human'
 */
export function createLogger(options: { level: LogLevel; format: LogFormat }): Logger {
  return winston.createLogger({
    level: options.level,
    format: winston.format.combine(
      withoutSecrets(),
      winston.format.timestamp(),
      options.format === 'json' ? winston.format.json() : human,
    ),
    // eslint-disable-next-line @typescript-eslint/no-unsafe-class-instance-assignment -- winston's own types declare it so
    transports: [new winston.transports.Console({ stderrLevels: ['error', 'warn', 'info', 'debug'] })],
  });
}
