import { fileURLToPath } from 'node:url';
import { folderCondition, installedVersion } from '@genledger/platform';
import type { Config } from '@genledger/platform';
import { openStorage } from '@genledger/uploads';
import { refuseTakenAddress } from '../../server/src/listen-address';
import { Ailment, Checkup } from './checkup';

export const MACHINE_CHECKS = ['home', 'storage', 'binaries', 'port'] as const;

const GIB = 2 ** 30;
/** The embedded server keeps up to 2 GB of write-ahead log, besides the data. */
const MIN_FREE_BYTES = 2 * GIB;
const ANSWER_MS = 3_000;

/** An unfit Node does not get this far: scripts/ensure-installed.mjs refuses it before anything is loaded. */
export async function checkNode(checkup: Checkup): Promise<void> {
  await checkup.check('node', () => process.versions.node);
}

/** What of this machine a server needs: folders to write in, the embedded binaries, a port. */
export async function checkMachine(checkup: Checkup, config: Config): Promise<void> {
  await checkup.check('home', () => checkFolder(config.home, 'GENLEDGER_HOME'));
  await checkup.check('storage', () => {
    openStorage(config);
    return checkFolder(fileURLToPath(config.storageUrl), 'STORAGE_URL');
  });
  if (config.databaseUrl === undefined)
    await checkup.check('binaries', async () => `PostgreSQL ${await installedVersion()}`);
  else checkup.skip('DATABASE_URL is given', 'binaries');
  await checkup.check('port', () => checkPort(config));
}

async function checkFolder(folder: string, variable: string): Promise<string> {
  const { exists, fault, freeBytes } = await folderCondition(folder);
  if (fault !== undefined) throw new Ailment(fault, `let this account write there, or change ${variable}`);
  const free = `${(freeBytes / GIB).toFixed(1)} GiB free`;
  if (freeBytes < MIN_FREE_BYTES)
    throw new Ailment(
      `${folder} has ${free}`,
      `make room, or move ${variable} to a larger disk (2 GiB or more)`,
    );
  return `${folder}${exists ? '' : ' (made at the first start)'}, ${free}`;
}

async function checkPort({ host, port }: Config): Promise<string> {
  if (port === 0) return 'any free one';
  try {
    await refuseTakenAddress({ host, port });
    return `${host}:${port} is free`;
  } catch (error) {
    const answer = await askServer(host, port);
    if (answer === undefined) throw error;
    if (answer.fault === undefined) return `a Genledger answers on ${host}:${port}, and is ready`;
    throw new Ailment(
      `a Genledger answers on ${host}:${port}, and is not ready: ${answer.fault}`,
      'see its log',
    );
  }
}

/** Whether it is one of ours that listens, by the form of its answer. */
async function askServer(host: string, port: number): Promise<{ fault?: string } | undefined> {
  const connectable = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  const authority = connectable.includes(':') ? `[${connectable}]` : connectable;
  try {
    const response = await fetch(`http://${authority}:${port}/health/ready`, {
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    const body = (await response.json()) as { checks?: unknown; type?: unknown; detail?: unknown };
    if (response.ok && Array.isArray(body.checks)) return {};
    if (String(body.type).startsWith('urn:genledger:')) return { fault: String(body.detail) };
  } catch {
    // Silent, or no HTTP, or no JSON: somebody else.
  }
  return undefined;
}
