import tseslint from 'typescript-eslint';

const IN_MEMORY_EVENTS =
  'What follows an event is done by a checkpointed subscription: this cannot be awaited and forgets at a crash.';

const forbiddenImports = {
  paths: [
    {
      name: '@nestjs/cqrs',
      importNames: ['AggregateRoot', 'EventPublisher', 'EventBus', 'Saga', 'EventsHandler'],
      message: IN_MEMORY_EVENTS,
    },
  ],
  patterns: [{ regex: '^@genledger/[^/]+/(?!testing$)', message: 'A lib is its barrel: @genledger/<lib>.' }],
};

const noSleep = 'Wait for a condition, a promise or a signal.';

/** What Node offers to plain scripts; types know it elsewhere. */
const nodeGlobals = [
  'AbortController',
  'AbortSignal',
  'Buffer',
  'URL',
  'URLSearchParams',
  'console',
  'fetch',
  'process',
]
  .concat(['clearInterval', 'clearTimeout', 'performance', 'setImmediate', 'setInterval', 'setTimeout'])
  .concat(['TextDecoder', 'TextEncoder', 'crypto', 'structuredClone', 'queueMicrotask']);
const commonJsGlobals = ['__dirname', '__filename', 'exports', 'module', 'require'];
const readonly = (names) => Object.fromEntries(names.map((name) => [name, 'readonly']));

const plainRules = {
  eqeqeq: 'error',
  'no-undef': 'error',
  'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
  'no-var': 'error',
  'prefer-const': 'error',
};

export default tseslint.config(
  {
    // The console has a toolchain of its own; the fixtures are wrong on purpose.
    ignores: [
      'dist/',
      '**/node_modules/',
      'bench/results/',
      '.genledger/',
      'coverage/',
      'apps/console/',
      'test/fixtures/',
    ],
  },
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      // Nest compares its numeric enums with what it hands over as numbers.
      '@typescript-eslint/no-unsafe-enum-comparison': 'off',
      // Ports have asynchronous signatures that a synchronous implementation keeps.
      '@typescript-eslint/require-await': 'off',
      eqeqeq: 'error',
      'no-restricted-imports': ['error', forbiddenImports],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportAllDeclaration', message: 'Name what you export.' },
      ],
      'max-lines': ['warn', { max: 300 }],
    },
  },
  {
    files: ['**/*.spec.ts'],
    rules: {
      'max-lines': 'off',
      // supertest, jest's asymmetric matchers and parsed bodies are `any`.
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-globals': ['error', { name: 'setTimeout', message: noSleep }],
      'no-restricted-imports': [
        'error',
        {
          ...forbiddenImports,
          paths: [
            ...forbiddenImports.paths,
            { name: 'node:timers', importNames: ['setTimeout'], message: noSleep },
            { name: 'node:timers/promises', importNames: ['setTimeout'], message: noSleep },
            { name: 'timers/promises', importNames: ['setTimeout'], message: noSleep },
          ],
        },
      ],
    },
  },
  {
    files: ['**/*.mjs'],
    languageOptions: { sourceType: 'module', globals: readonly(nodeGlobals) },
    rules: plainRules,
  },
  {
    files: ['**/*.js', '**/*.cjs'],
    languageOptions: { sourceType: 'commonjs', globals: readonly([...nodeGlobals, ...commonJsGlobals]) },
    rules: plainRules,
  },
);
