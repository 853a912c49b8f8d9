import { status } from '@grpc/grpc-js';
import { HEALTH_CHECK, serveGrpc, type GrpcServer, type UnaryHandler } from '../support/grpc-server.ts';

/** HealthCheckResponse with status SERVING and NOT_SERVING. */
const [SERVING, NOT_SERVING] = [Buffer.from([0x08, 1]), Buffer.from([0x08, 2])];
/** What stands before the name in a HealthCheckRequest: the field's tag and the length. */
const NAME_AT = 2;

/** A health service for the cases' probes: '' is healthy, `down` is not, `slow` never answers, others are not known. */
export const serveHealth = (): Promise<GrpcServer> => serveGrpc(HEALTH_CHECK, answerAbout);

const answerAbout: UnaryHandler = ({ request }, answer) => {
  const service = request.subarray(NAME_AT).toString();
  if (service === '') answer(null, SERVING);
  else if (service === 'down') answer(null, NOT_SERVING);
  else if (service !== 'slow') answer({ code: status.NOT_FOUND, details: 'unknown service' });
};
