const fs = require('node:fs');
const path = require('node:path');

// Jest below Node 24.9 cannot require() an ES module, so SWC turns every "type": "module" package into CommonJS.
const lock = require('./package-lock.json');
const isEsm = (folder) => {
  try {
    return (
      JSON.parse(fs.readFileSync(path.join(__dirname, folder, 'package.json'), 'utf8')).type === 'module'
    );
  } catch {
    return false;
  }
};
const esm = [
  ...new Set(
    Object.keys(lock.packages)
      .filter((folder) => folder.startsWith('node_modules/') && isEsm(folder))
      .map((folder) => folder.slice(folder.lastIndexOf('node_modules/') + 'node_modules/'.length)),
  ),
];
const swc = {
  swcrc: false,
  sourceMaps: 'inline',
  module: { type: 'commonjs' },
  jsc: {
    target: 'es2022',
    keepClassNames: true,
    parser: { syntax: 'typescript', decorators: true },
    transform: { legacyDecorator: true, decoratorMetadata: true },
  },
};
const base = {
  rootDir: __dirname,
  testEnvironment: 'node',
  moduleFileExtensions: ['js', 'mjs', 'json', 'ts'],
  modulePathIgnorePatterns: ['<rootDir>/dist', '<rootDir>/bench/node_modules'],
  testPathIgnorePatterns: ['/node_modules/', '<rootDir>/test/fixtures/'],
  transform: { '^.+\\.(ts|js|mjs)$': ['@swc/jest', swc] },
  transformIgnorePatterns: [`/node_modules/(?!.*/node_modules/)(?!(${esm.join('|')})/)`],
  moduleNameMapper: {
    '^@genledger/([^/]+)$': '<rootDir>/libs/$1/src',
    '^@genledger/event-store/testing$': '<rootDir>/libs/event-store/src/testing/decider-spec',
  },
};

module.exports = {
  projects: [
    {
      ...base,
      displayName: 'unit',
      roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
      testRegex: '(?<!\\.int|\\.e2e)\\.spec\\.ts$',
    },
    {
      ...base,
      displayName: 'postgres',
      roots: ['<rootDir>/apps', '<rootDir>/libs', '<rootDir>/test'],
      testRegex: '\\.(int|e2e)\\.spec\\.ts$',
      globalSetup: '<rootDir>/test/support/global-setup.ts',
      globalTeardown: '<rootDir>/test/support/global-teardown.ts',
    },
  ],
};
