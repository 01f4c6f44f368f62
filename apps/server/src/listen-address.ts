import { createServer } from 'node:net';
import { ConfigError } from '@genledger/platform';
import type { Config } from '@genledger/platform';

/**
 * Refuses an address that cannot be listened on, before a database is started for it.
 *
 * @throws ConfigError that names the variable to change.
 */
export async function refuseTakenAddress(config: Pick<Config, 'host' | 'port'>): Promise<void> {
  const { host, port } = config;
  await new Promise<void>((resolve, reject) => {
    const probe = createServer();
    probe.once('error', (error) => reject(listenError(error, config)));
    probe.listen(port, host, () => probe.close(() => resolve()));
  });
}

/** An error of `listen` as the variable that is at fault; other errors as they are. */
export function listenError(error: Error, { host, port }: Pick<Config, 'host' | 'port'>): Error {
  switch ((error as NodeJS.ErrnoException).code) {
    case 'EADDRINUSE':
      return new ConfigError(
        `PORT=${port} is in use on ${host}: end what listens there, or set PORT to another (0: any free one)`,
      );
    case 'EACCES':
      return new ConfigError(`PORT=${port} may not be used by this account: set PORT to one above 1023`);
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConfigError(`HOST=${host} is not an address of this machine: set HOST to one that is`);
    default:
      return error;
  }
}
