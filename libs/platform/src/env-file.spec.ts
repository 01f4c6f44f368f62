import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentWithFile } from './env-file';

let folder: string;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'genledger-env-'))));
afterEach(() => rmSync(folder, { recursive: true }));

it('adds the lines of .env to what was given', () => {
  writeFileSync(
    join(folder, '.env'),
    '# database\nDATABASE_URL=postgres://a:b=c@host/db?x=1\n\nexport PORT=4000\nJWT_ISSUER="my issuer"\n',
  );
  expect(environmentWithFile(folder, { LOG_LEVEL: 'warn' })).toEqual({
    DATABASE_URL: 'postgres://a:b=c@host/db?x=1',
    PORT: '4000',
    JWT_ISSUER: 'my issuer',
    LOG_LEVEL: 'warn',
  });
});

it('lets the given environment win, an empty value too', () => {
  writeFileSync(join(folder, '.env'), 'PORT=4000\nHOST=0.0.0.0\n');
  expect(environmentWithFile(folder, { PORT: '5000', HOST: '' })).toEqual({ PORT: '5000', HOST: '' });
});

it('is what was given where there is no file', () => {
  expect(environmentWithFile(folder, { PORT: '1' })).toEqual({ PORT: '1' });
});
