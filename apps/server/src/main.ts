import 'reflect-metadata';
import { ConfigError, environmentWithFile, loadConfig } from '@genledger/platform';
import { startServer } from './server';

async function main(): Promise<void> {
  const config = loadConfig(environmentWithFile(process.cwd(), process.env));
  const say = (line: string) => process.stdout.write(`${line}\n`);
  const server = await startServer(config, { log: say });
  say(`Genledger is up: ${server.address}`);
  say(`  API reference  ${server.address}/docs`);
  say(`  sign in        npx genledger token --user <uuid> --role user`);

  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    server.close().then(
      () => process.exit(0),
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
}

function fail(error: unknown): never {
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(
    error instanceof ConfigError ? `${message}\n` : `genledger cannot start: ${message}\n`,
  );
  process.exit(1);
}

main().catch(fail);
