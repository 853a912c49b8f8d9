/** The API's errors in apimachinery's words (pkg/api/errors, pkg/util/validation/field). */

/** One thing wrong with an object, as in metav1.StatusCause. */
export interface Cause {
  /** 'FieldValueInvalid', 'FieldValueRequired', … */
  readonly reason: string;
  readonly field: string;
  /** Without the field's name. */
  readonly message: string;
}

/** What is answered with when a request fails: a metav1.Status. */
export class StatusError extends Error {
  readonly code: number;
  readonly reason: string;
  readonly details: Readonly<Record<string, unknown>> | undefined;
  /** By which a list that is refused can go on after all. */
  readonly continue: string | undefined;

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: Readonly<Record<string, unknown>>,
    goOn?: string,
  ) {
    super(message);
    this.name = 'StatusError';
    this.code = code;
    this.reason = reason;
    this.details = details;
    this.continue = goOn;
  }

  toStatus(): Record<string, unknown> {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: this.continue === undefined ? {} : { continue: this.continue },
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      ...(this.details === undefined ? {} : { details: this.details }),
      code: this.code,
    };
  }
}

/** What messages name: the plural of the resource and its group. */
export interface ResourceName {
  readonly group: string;
  readonly plural: string;
  readonly kind: string;
}

const qualified = ({ group, plural }: ResourceName): string => (group === '' ? plural : `${plural}.${group}`);
const details = (resource: ResourceName, name: string, more: object = {}) => ({
  ...(name === '' ? {} : { name }),
  ...(resource.group === '' ? {} : { group: resource.group }),
  kind: resource.plural,
  ...more,
});

export const notFound = (resource: ResourceName, name: string): StatusError =>
  new StatusError(404, 'NotFound', `${qualified(resource)} "${name}" not found`, details(resource, name));

export const alreadyExists = (resource: ResourceName, name: string): StatusError =>
  new StatusError(409, 'AlreadyExists', `${qualified(resource)} "${name}" already exists`, details(resource, name));

export const conflict = (resource: ResourceName, name: string, why: string): StatusError =>
  new StatusError(
    409,
    'Conflict',
    `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${why}`,
    details(resource, name),
  );

export const MODIFIED =
  'the object has been modified; please apply your changes to the latest version and try again' as const;

export const forbidden = (resource: ResourceName, name: string, why: string, causes?: readonly Cause[]): StatusError =>
  new StatusError(
    403,
    'Forbidden',
    name === ''
      ? `${qualified(resource)} is forbidden: ${why}`
      : `${qualified(resource)} "${name}" is forbidden: ${why}`,
    details(resource, name, causes ? { causes } : {}),
  );

export const badRequest = (message: string): StatusError => new StatusError(400, 'BadRequest', message);

export const unauthorized = (): StatusError => new StatusError(401, 'Unauthorized', 'Unauthorized');

/**
 * 410 for a list or watch whose resourceVersion the log does not reach any more.
 * @param goOn a token by which the list goes on in the state of now
 */
export const expired = (message: string, goOn?: string): StatusError =>
  new StatusError(410, 'Expired', message, undefined, goOn);

export const methodNotSupported = (resource: ResourceName, verb: string): StatusError =>
  new StatusError(
    405,
    'MethodNotAllowed',
    `${verb} is not supported on resources of kind "${qualified(resource)}"`,
    details(resource, ''),
  );

/** What a path that nothing serves is answered with. */
export const noSuchPath = (): StatusError =>
  new StatusError(404, 'NotFound', 'the server could not find the requested resource', {});

/** How validation fails: all causes at once (apierrors.NewInvalid). */
export function invalid(resource: ResourceName, name: string, causes: readonly Cause[]): StatusError {
  const texts = causes.map(({ field, message }) => `${field}: ${message}`);
  const all = texts.length === 1 ? texts[0] : `[${texts.join(', ')}]`;
  const kind = resource.group === '' ? resource.kind : `${resource.kind}.${resource.group}`;
  return new StatusError(422, 'Invalid', `${kind} "${name}" is invalid: ${all ?? ''}`, {
    ...(name === '' ? {} : { name }),
    ...(resource.group === '' ? {} : { group: resource.group }),
    kind: resource.kind,
    causes,
  });
}

/** The forms of field errors (field.Error.ErrorBody). */
export const field = {
  required: (path: string, detail = ''): Cause => ({
    reason: 'FieldValueRequired',
    field: path,
    message: detail === '' ? 'Required value' : `Required value: ${detail}`,
  }),
  invalid: (path: string, value: unknown, detail: string): Cause => ({
    reason: 'FieldValueInvalid',
    field: path,
    message: `Invalid value: ${valueText(value)}: ${detail}`,
  }),
  forbidden: (path: string, detail: string): Cause => ({
    reason: 'FieldValueForbidden',
    field: path,
    message: `Forbidden: ${detail}`,
  }),
  duplicate: (path: string, value: unknown): Cause => ({
    reason: 'FieldValueDuplicate',
    field: path,
    message: `Duplicate value: ${valueText(value)}`,
  }),
  notFound: (path: string, value: unknown): Cause => ({
    reason: 'FieldValueNotFound',
    field: path,
    message: `Not found: ${valueText(value)}`,
  }),
  notSupported: (path: string, value: unknown, supported: readonly string[]): Cause => ({
    reason: 'FieldValueNotSupported',
    field: path,
    message: `Unsupported value: ${valueText(value)}: supported values: ${supported
      .map((item) => JSON.stringify(item))
      .join(', ')}`,
  }),
  tooLong: (path: string, most: number): Cause => ({
    reason: 'FieldValueTooLong',
    field: path,
    message: `Too long: may not be more than ${most} bytes`,
  }),
};

const valueText = (value: unknown): string => (value === null ? 'null' : JSON.stringify(value));
