/** What a probe takes of gRPC's library, in a module of its own so that it is loaded with the first such probe. */
export { Client, credentials } from '@grpc/grpc-js';
