import { Server, ServerCredentials, type sendUnaryData, type ServerUnaryCall } from '@grpc/grpc-js';

/** The method that probes call. */
export const HEALTH_CHECK = '/grpc.health.v1.Health/Check';

/** Answers a call; both messages as they are on the wire. */
export type UnaryHandler = (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>) => void;

export interface GrpcServer extends Disposable {
  readonly port: number;
}

const raw = (bytes: Buffer): Buffer => bytes;

/**
 * Starts a gRPC server with one method; disposed of, it ends with all calls.
 * @param path of the method: '/package.Service/Method'
 * @param address that it listens on
 */
export async function serveGrpc(path: string, handle: UnaryHandler, address = '127.0.0.1'): Promise<GrpcServer> {
  const server = new Server();
  const method = {
    path,
    requestStream: false,
    responseStream: false,
    requestSerialize: raw,
    requestDeserialize: raw,
    responseSerialize: raw,
    responseDeserialize: raw,
  };
  server.addService({ method }, { method: handle });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`${address}:0`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  return { port, [Symbol.dispose]: () => server.forceShutdown() };
}
