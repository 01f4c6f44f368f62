import { connect, createServer, Socket } from 'node:net';
import type { AddressInfo } from 'node:net';

/** Where the connection breaks: PostgreSQL never gets the COMMIT, or the client never gets its answer. */
export type Cut = 'before_commit' | 'after_commit';

/** Between an application and PostgreSQL: breaks connections at the moments that matter. */
export interface TcpProxy {
  /** The same server and login, through the proxy. */
  through(url: string): string;
  /** Breaks the next connection that commits. Resolves when it is broken. */
  cutNext(how: Cut): Promise<void>;
  /** From here on PostgreSQL is gone: connections break, new ones are refused. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

// A simple query, as node-postgres sends BEGIN and COMMIT: type, length of the rest, text, NUL.
const COMMIT = message('Q', 'commit');
/** The statement that is a whole transaction. */
const QUEUE_JOBS = Buffer.from('genledger.queue_jobs(');
/** ReadyForQuery outside of a transaction: whatever went before is committed. */
const IDLE = Buffer.from([...Buffer.from('Z'), 0, 0, 0, 5, ...Buffer.from('I')]);

export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let armed: { how: Cut; broken: () => void } | undefined;
  let ownPort = 0;

  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    const destroy = (): void => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', destroy);
      socket.once('close', () => {
        sockets.delete(socket);
        destroy();
      });
    }
    /** Set once COMMIT went through on this connection and its answer must not. */
    let withheld: (() => void) | undefined;
    const commits = [COMMIT, QUEUE_JOBS].map((wanted) => ({ wanted, find: finder(wanted) }));
    const answers = finder(IDLE);

    client.on('data', (chunk) => {
      const [found] = commits.flatMap(({ wanted, find }) => {
        const end = find(chunk);
        return end === undefined ? [] : [end - wanted.length];
      });
      if (found === undefined || !armed) {
        upstream.write(chunk);
        return;
      }
      const { how, broken } = armed;
      armed = undefined;
      if (how === 'before_commit') {
        upstream.write(chunk.subarray(0, Math.max(0, found)), () => {
          destroy();
          broken();
        });
      } else {
        withheld = broken;
        upstream.write(chunk);
      }
    });
    upstream.on('data', (chunk) => {
      const committed = answers(chunk) !== undefined;
      if (!withheld) {
        client.write(chunk);
      } else if (committed) {
        destroy();
        withheld();
      }
    });
  });

  const listen = (): Promise<void> =>
    new Promise((resolve) => server.listen(ownPort, '127.0.0.1', () => resolve()));
  const refuse = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  await listen();
  ownPort = (server.address() as AddressInfo).port;

  return {
    through(url) {
      const proxied = new URL(url);
      proxied.hostname = '127.0.0.1';
      proxied.port = String(ownPort);
      return proxied.href;
    },
    cutNext: (how) => new Promise((broken) => (armed = { how, broken })),
    refuse,
    accept: listen,
    close: () => (server.listening ? refuse() : Promise.resolve()),
  };
}

function message(type: string, text: string): Buffer {
  const body = Buffer.from(`${text}\0`);
  const head = Buffer.alloc(5);
  head.write(type);
  head.writeInt32BE(body.length + 4, 1);
  return Buffer.concat([head, body]);
}

/** Looks for bytes in a stream that comes in chunks: where in the chunk they end. */
function finder(wanted: Buffer): (chunk: Buffer) => number | undefined {
  let tail = Buffer.alloc(0);
  return (chunk) => {
    const joined = Buffer.concat([tail, chunk]);
    const at = joined.indexOf(wanted);
    const end = at < 0 ? undefined : at + wanted.length - tail.length;
    tail = Buffer.from(joined.subarray(Math.max(0, joined.length - wanted.length + 1)));
    return end;
  };
}
