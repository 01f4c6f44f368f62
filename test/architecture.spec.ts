import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

// The tools start processes of their own and type-check what they read.
jest.setTimeout(120_000);

const root = resolve(__dirname, '..');

interface CruiseResult {
  readonly summary: {
    readonly totalCruised: number;
    readonly violations: readonly { from: string; to: string; rule: { name: string } }[];
    readonly ruleSetUsed: { readonly forbidden: readonly { name: string }[] };
  };
}

interface Finding {
  readonly ruleId: string | null;
  readonly message: string;
}

describe('import boundaries', () => {
  it('hold in the whole tree', () => {
    const { summary } = cruise(root, ['apps', 'libs', 'migrations', 'test', 'bench']);
    expect(summary.violations.map(({ rule, from, to }) => `${rule.name}: ${from} → ${to}`)).toEqual([]);
    expect(summary.totalCruised).toBeGreaterThan(50);
  });

  it('are all seen to be crossed in a tree that crosses each', () => {
    const { summary } = cruise(join(root, 'test/fixtures/boundary-violation'), ['apps', 'libs']);
    const rules = summary.ruleSetUsed.forbidden.map(({ name }) => name).sort();
    const fired = [...new Set(summary.violations.map(({ rule }) => rule.name))].sort();
    expect(fired).toEqual(rules);
  });
});

describe('lint', () => {
  let findings: readonly Finding[];

  beforeAll(() => {
    findings = lint('test/fixtures/lint-violation');
  });

  it.each(['AggregateRoot', 'EventBus', 'EventPublisher', 'EventsHandler', 'Saga'])(
    'refuses %s of @nestjs/cqrs',
    (name) => {
      expect(findings).toContainEqual(
        expect.objectContaining({
          ruleId: 'no-restricted-imports',
          message: expect.stringContaining(`'${name}'`),
        }),
      );
    },
  );

  it.each([
    ['a promise that nobody awaits', '@typescript-eslint/no-floating-promises'],
    ['a promise where none is expected', '@typescript-eslint/no-misused-promises'],
    ['a switch that forgets a case', '@typescript-eslint/switch-exhaustiveness-check'],
    ['any', '@typescript-eslint/no-explicit-any'],
    ['export *', 'no-restricted-syntax'],
    ['setTimeout in a spec', 'no-restricted-globals'],
  ])('refuses %s', (_what, rule) => {
    expect(findings.map(({ ruleId }) => ruleId)).toContain(rule);
  });

  it('refuses importing past a barrel, and pauses in a spec', () => {
    const messages = findings.map(({ message }) => message);
    expect(messages).toContainEqual(expect.stringContaining('A lib is its barrel'));
    expect(messages).toContainEqual(
      expect.stringContaining("'setTimeout' import from 'node:timers/promises'"),
    );
  });
});

describe('package.json', () => {
  it('names every version exactly', () => {
    const { dependencies, devDependencies } = JSON.parse(
      readFileSync(join(root, 'package.json'), 'utf8'),
    ) as Record<string, Record<string, string>>;
    const loose = Object.entries({ ...dependencies, ...devDependencies }).filter(
      ([, version]) => !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version),
    );
    expect(loose).toEqual([]);
  });
});

function cruise(folder: string, names: readonly string[]): CruiseResult {
  return JSON.parse(
    output(folder, 'dependency-cruiser/bin/dependency-cruise.mjs', [
      '--config',
      join(root, '.dependency-cruiser.cjs'),
      '--output-type',
      'json',
      ...names,
    ]),
  ) as CruiseResult;
}

function lint(folder: string): readonly Finding[] {
  const json = output(root, 'eslint/bin/eslint.js', ['--no-ignore', '--format', 'json', folder]);
  return (JSON.parse(json) as { messages: readonly Finding[] }[]).flatMap(({ messages }) => messages);
}

/** What one of the installed tools prints; its exit code says only whether it found something. */
function output(cwd: string, tool: string, args: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(process.execPath, [join(root, 'node_modules', tool), ...args], {
    cwd,
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
  });
  if (error) throw error;
  if (!stdout) throw new Error(`${tool} printed nothing: ${stderr}`);
  return stdout;
}
