import { fork } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deriveKey, loadServerSecret } from './secrets';

describe('the server secret', () => {
  let home: string;
  beforeEach(() => {
    home = mkdtempSync(join(tmpdir(), 'genledger-secret-'));
  });
  afterEach(() => rmSync(home, { recursive: true, force: true }));

  it('is made once, readable by its owner only, and leaves no draft behind', () => {
    const folder = join(home, 'new', 'home');
    const first = loadServerSecret(folder);
    expect(first).toHaveLength(43);
    expect(loadServerSecret(folder)).toEqual(first);
    expect(statSync(join(folder, 'server.secret')).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['server.secret']);
    expect(readFileSync(join(folder, 'server.secret'), 'utf8').trim()).toBe(first.toString());
  });

  it('is the same for processes that start at once', async () => {
    const script = join(home, 'child.cjs');
    const source = join(__dirname, 'secrets.ts');
    writeFileSync(
      script,
      `const { transformFileSync } = require(${JSON.stringify(require.resolve('@swc/core'))});
       const { code } = transformFileSync(${JSON.stringify(source)}, { swcrc: false, module: { type: 'commonjs' }, jsc: { parser: { syntax: 'typescript' } } });
       const built = { exports: {} };
       new Function('module', 'exports', 'require', code)(built, built.exports, require);
       process.once('message', () => process.send(built.exports.loadServerSecret(${JSON.stringify(home)}).toString(), () => process.disconnect()));
       process.send('ready');`,
    );
    const children = [1, 2, 3].map(() => fork(script, { execArgv: [] }));
    const next = (index: number) =>
      new Promise<unknown>((done, fail) => children[index]?.once('message', done).once('error', fail));
    await Promise.all([0, 1, 2].map(next));
    const answers = Promise.all([0, 1, 2].map(next));
    for (const child of children) child.send('go');
    const [first, ...others] = await answers;
    expect(first).toMatch(/^[\w-]{43}$/);
    expect(others).toEqual([first, first]);
  });

  it('is closed to others again when a copy came back open', () => {
    loadServerSecret(home);
    chmodSync(join(home, 'server.secret'), 0o644);
    loadServerSecret(home);
    expect(statSync(join(home, 'server.secret')).mode & 0o777).toBe(0o600);
  });

  it('is refused where the file holds something else', () => {
    writeFileSync(join(home, 'server.secret'), 'short');
    expect(() => loadServerSecret(home)).toThrow('does not hold a server secret');
  });

  it('gives each purpose a key of its own, always the same', () => {
    const secret = Buffer.alloc(32, 7);
    expect(deriveKey(secret, 'cursor')).toHaveLength(32);
    expect(deriveKey(secret, 'cursor')).toEqual(deriveKey(secret, 'cursor'));
    expect(deriveKey(secret, 'cursor')).not.toEqual(deriveKey(secret, 'link'));
    expect(deriveKey(Buffer.alloc(32, 8), 'cursor')).not.toEqual(deriveKey(secret, 'cursor'));
  });
});
