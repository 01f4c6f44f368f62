// Who may import whom (docs/architecture). test/architecture.spec.ts proves that each rule can fail.

const BARREL = '^libs/[^/]+/src/index\\.ts$';
const SPEC = '\\.spec\\.ts$';
const TESTING = '^libs/[^/]+/src/testing/';
const DECIDER = '^libs/([^/]+)/src/(job|[^/]+\\.decider)\\.ts$';
const SQL = 'node_modules/(pg|pg-[^/]+|typeorm|@nestjs/typeorm)/';

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Type-only imports count: two files that need each other are one.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      comment:
        'An import that resolves to nothing would slip through every other rule. The peers of the benchmark are ' +
        'installed by the benchmark, into a folder of its own.',
      from: { pathNot: '^bench/(peers|support)/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'foundations-know-no-context',
      severity: 'error',
      comment: 'event-store and platform import no other lib, not even each other.',
      from: { path: '^libs/(event-store|platform)/', pathNot: SPEC },
      to: { path: '^libs/', pathNot: '^libs/$1/' },
    },
    {
      name: 'event-store-is-plain',
      severity: 'error',
      comment: 'It is handed a pool; Nest may wire it in a module file, TypeORM has no business there.',
      from: { path: '^libs/event-store/', pathNot: `${SPEC}|\\.module\\.ts$` },
      to: { path: 'node_modules/(typeorm|@nestjs)/' },
    },
    {
      name: 'jobs-knows-no-other-context',
      severity: 'error',
      from: { path: '^libs/jobs/' },
      to: { path: '^libs/', pathNot: '^libs/(jobs|event-store|platform)/' },
    },
    {
      name: 'libs-meet-at-barrels',
      severity: 'error',
      comment: 'Another lib is its src/index.ts; for specs also what it offers to tests.',
      from: { path: '^libs/([^/]+)/' },
      to: { path: '^libs/', pathNot: ['^libs/$1/', BARREL, TESTING] },
    },
    {
      name: 'apps-meet-libs-at-barrels',
      severity: 'error',
      from: { path: '^(apps|bench)/' },
      to: { path: '^libs/', pathNot: BARREL },
    },
    {
      name: 'nobody-imports-apps',
      severity: 'error',
      from: { path: '^(libs|migrations)/' },
      to: { path: '^(apps|bench|scripts)/' },
    },
    {
      name: 'domain-is-pure',
      severity: 'error',
      comment:
        'Deciders have no framework, no database, no clock and no random ids: no packages and no node modules.',
      from: { path: DECIDER },
      to: {
        dependencyTypes: ['core', 'npm', 'npm-dev', 'npm-optional', 'npm-peer', 'npm-no-pkg', 'npm-unknown'],
      },
    },
    {
      name: 'domain-stands-alone',
      severity: 'error',
      comment: 'Deciders import pure files beside them and the decider types of event-store.',
      from: { path: DECIDER },
      to: {
        path: [
          '^libs/(?!$1/)',
          '^libs/[^/]+/src/([^/]+/|index\\.ts$|.*\\.(module|controller|projection|query|entity|dto)\\.ts$)',
        ],
        pathNot: '^libs/event-store/src/index\\.ts$',
      },
    },
    {
      name: 'http-does-not-touch-storage',
      severity: 'error',
      comment: 'Controllers go through commands and queries.',
      from: { path: '^libs/[^/]+/src/http/', pathNot: SPEC },
      to: { path: `${SQL}|^libs/event-store/` },
    },
    {
      name: 'not-to-spec',
      severity: 'error',
      from: {},
      to: { path: SPEC },
    },
    {
      name: 'test-support-is-for-tests',
      severity: 'error',
      from: { pathNot: `${SPEC}|/testing/|^test/` },
      to: { path: '^libs/[^/]+/src/testing/|^test/' },
    },
    {
      name: 'no-barrel-inside',
      severity: 'error',
      comment: 'One barrel a lib, src/index.ts.',
      from: { path: '^(libs|apps)/.*/index\\.[cm]?[jt]sx?$', pathNot: BARREL },
      to: {},
    },
    {
      name: 'one-folder-level',
      severity: 'error',
      comment: 'At most one level of folders inside libs/x/src.',
      from: {},
      to: { path: '^libs/[^/]+/src/[^/]+/[^/]+/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^(dist|bench/node_modules|bench/results|apps/console|test/fixtures)/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      mainFields: ['main', 'types'],
      extensions: ['.ts', '.js', '.mjs', '.cjs', '.json', '.d.ts'],
    },
  },
};
