import { mkdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { lockFolder } from '../../base/lock.ts';
import { createLogger } from '../../base/log.ts';
import { connectRuntime } from '../../runtime/service.ts';
import type { Config } from '../config/schema.ts';
import { nodeAddresses } from '../node/addresses.ts';
import { openNodeImages } from '../node-images.ts';
import { hostingOptions } from '../hosting-options.ts';
import { endOnSignals } from './signals.ts';

/** `wasmlet cri`: serves runtime and images to a kubelet or crictl until SIGTERM or SIGINT; pods go on after that. */
export async function criCommand(config: Config): Promise<void> {
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  // Loaded here, so that the agent's process never carries gRPC's code.
  const { serveCri } = await import('../../runtime/cri/server.ts');
  await endOnSignals(logger, async (signal) => {
    await mkdir(config.rootDir, { recursive: true });
    await using _lock = await lockFolder(config.rootDir, 'agent');
    await using runtime = await connectRuntime(hostingOptions(config, logger));
    await using images = await openNodeImages(config, logger);
    const podIPs = await nodeAddresses({ nodeIP: config.nodeIP, address: config.address });
    const context = { runtime, images, podIPs, hostname: hostname(), logger: logger.child({ part: 'cri' }) };
    await serveCri(context, config.criSocket, signal, () => {
      logger.info('CRI is served', { endpoint: config.criSocket, podIPs });
    });
  });
}
