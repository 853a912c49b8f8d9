import { Server, ServerCredentials, status, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';

/** A gRPC server on 127.0.0.1 with a health service for the probes of the cases. */
export interface HealthServer extends Disposable {
  readonly port: number;
}

const raw = (bytes: Buffer): Buffer => bytes;

/** Health/Check of grpc.health.v1. */
const check = {
  path: '/grpc.health.v1.Health/Check',
  requestStream: false,
  responseStream: false,
  requestSerialize: raw,
  requestDeserialize: raw,
  responseSerialize: raw,
  responseDeserialize: raw,
};

/** HealthCheckResponse with status SERVING and NOT_SERVING. */
const [SERVING, NOT_SERVING] = [Buffer.from([0x08, 1]), Buffer.from([0x08, 2])];
/** What stands before the name in a HealthCheckRequest: the field's tag and the length. */
const NAME_AT = 2;

/** Serves; the service '' is healthy, `down` is not, `slow` never answers, and others are not known. */
export async function serveHealth(): Promise<HealthServer> {
  const server = new Server();
  server.addService({ check }, { check: answerAbout });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, [Symbol.dispose]: () => server.forceShutdown() };
}

function answerAbout({ request }: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void {
  const service = request.subarray(NAME_AT).toString();
  if (service === '') answer(null, SERVING);
  else if (service === 'down') answer(null, NOT_SERVING);
  else if (service !== 'slow') answer({ code: status.NOT_FOUND, details: 'unknown service' });
}
