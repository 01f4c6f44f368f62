import { startEmbeddedPostgres } from '../../libs/platform/src/embedded-postgres/embedded-postgres';

/** A process of its own that uses the cluster of argv[2]: reports it to its parent, and stops when told to. */
async function main(home: string): Promise<void> {
  const server = await startEmbeddedPostgres({ home, settings: { fsync: 'off' } });
  process.once('message', () => {
    void server.stop().then(() => process.disconnect());
  });
  process.send?.(server);
}

void main(process.argv[2] ?? '');
