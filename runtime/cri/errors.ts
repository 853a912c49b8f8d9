import { status } from '@grpc/grpc-js';
import { messageOf, WasmletError } from '../../base/errors.ts';
import type { ErrorCode } from '../../base/errors.ts';

/** What a failed call answers. */
export interface GrpcStatus {
  readonly code: status;
  readonly details: string;
}

/**
 * Codes as containerd answers them (errgrpc.ToGRPC). The kubelet acts upon NotFound, DeadlineExceeded (of ExecSync) and
 * Unimplemented alone; Unknown is what it leaves out of the message of a failed pull, so that the pod's status shows
 * the message as it is.
 */
const CODES: Readonly<Record<ErrorCode, status>> = {
  Cancelled: status.CANCELLED,
  DeadlineExceeded: status.DEADLINE_EXCEEDED,
  Internal: status.UNKNOWN,
  InvalidArgument: status.INVALID_ARGUMENT,
  NotFound: status.NOT_FOUND,
  AlreadyExists: status.ALREADY_EXISTS,
  FailedPrecondition: status.FAILED_PRECONDITION,
  ResourceExhausted: status.RESOURCE_EXHAUSTED,
  Unavailable: status.UNAVAILABLE,
  InvalidConfig: status.UNKNOWN,
  InvalidImageName: status.INVALID_ARGUMENT,
  ErrImagePull: status.UNKNOWN,
  RegistryUnavailable: status.UNKNOWN,
  ImageNotRunnable: status.UNKNOWN,
  InvalidRecord: status.UNKNOWN,
};

/** An error of a method that is not there, or not for such a request. */
export class UnimplementedError extends Error {}

/** The status that a call which threw this error answers. */
export function grpcStatus(error: unknown): GrpcStatus {
  const details = messageOf(error);
  if (error instanceof UnimplementedError) return { code: status.UNIMPLEMENTED, details };
  if (!(error instanceof WasmletError)) return { code: status.UNKNOWN, details };
  // cri-api/pkg/errors: the kubelet knows it by the first word.
  if (error.code === 'RegistryUnavailable') return { code: status.UNKNOWN, details: `RegistryUnavailable: ${details}` };
  return { code: CODES[error.code], details };
}
