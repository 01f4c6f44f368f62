// Lets a child process of a test load our TypeScript: `node -r ./register-typescript.cjs file.ts`.
const { readFileSync } = require('node:fs');
const Module = require('node:module');
const { join } = require('node:path');
const { transformSync } = require('@swc/core');

require.extensions['.ts'] = (module, filename) => {
  const { code } = transformSync(readFileSync(filename, 'utf8'), {
    filename,
    swcrc: false,
    sourceMaps: 'inline',
    module: { type: 'commonjs' },
    jsc: {
      target: 'es2022',
      parser: { syntax: 'typescript', decorators: true },
      transform: { legacyDecorator: true, decoratorMetadata: true },
    },
  });
  module._compile(code, filename);
};

// What tsconfig's paths say: a lib is its barrel.
const resolveFilename = Module._resolveFilename;
Module._resolveFilename = function (request, ...rest) {
  const lib = /^@genledger\/([^/]+)$/.exec(request)?.[1];
  const path = lib === undefined ? request : join(__dirname, '../../libs', lib, 'src/index.ts');
  return resolveFilename.call(this, path, ...rest);
};
