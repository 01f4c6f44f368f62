import { hkdfSync, randomBytes, randomUUID } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';

const FILE_NAME = 'server.secret';
/** 32 random bytes in base64url: text, so that `JWT_SECRET=$(cat server.secret)` names the same key. */
const FORM = /^[A-Za-z0-9_-]{43}$/;

/**
 * The secret of this installation: 256 random bits as 43 ASCII bytes, made at first use and kept in
 * `<home>/server.secret` (mode 0600). Signs tokens where neither JWT_SECRET nor JWKS_URL is given, and is the
 * root of every derived key. Any number of processes may ask at once: all get the same one.
 *
 * @throws Error where the file is there and is not such a secret.
 */
export function loadServerSecret(home: string): Buffer {
  const path = serverSecretPath(home);
  const text = readSecret(path) ?? createSecret(home, path);
  if (!FORM.test(text))
    throw new Error(`${path} does not hold a server secret; restore it, or remove it to get a new one`);
  return Buffer.from(text, 'ascii');
}

export function serverSecretPath(home: string): string {
  return join(home, FILE_NAME);
}

/** A 32-byte key for one purpose (HKDF-SHA256): nothing about the secret or other keys follows from it. */
export function deriveKey(secret: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `genledger/${purpose}`, 32));
}

function readSecret(path: string): string | undefined {
  try {
    const text = readFileSync(path, 'ascii').trim();
    // A restored copy may have come back readable by others.
    chmodSync(path, 0o600);
    return text;
  } catch (error) {
    // Also where a folder of the path is a file: making it then says what is wrong.
    if (isCode(error, 'ENOENT') || isCode(error, 'ENOTDIR')) return undefined;
    throw error;
  }
}

/**
 * Writes a whole file under another name and links it into place: link() fails where the name is taken, so one
 * of several processes wins and nobody ever reads half a secret.
 */
function createSecret(home: string, path: string): string {
  const draft = `${path}.${randomUUID()}`;
  const file = openDraft(home, draft);
  try {
    writeSync(file, `${randomBytes(32).toString('base64url')}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  try {
    linkSync(draft, path);
  } catch (error) {
    if (!isCode(error, 'EEXIST')) throw error;
  } finally {
    rmSync(draft, { force: true });
  }
  return readFileSync(path, 'ascii').trim();
}

function openDraft(home: string, draft: string): number {
  try {
    mkdirSync(home, { recursive: true });
    return openSync(draft, 'wx', 0o600);
  } catch (error) {
    const { message } = error as Error;
    throw new Error(
      `The home ${home} cannot be written (${message}): set GENLEDGER_HOME to a folder that can.`,
      {
        cause: error,
      },
    );
  }
}

function isCode(error: unknown, code: string): boolean {
  return typeof error === 'object' && error !== null && 'code' in error && error.code === code;
}
