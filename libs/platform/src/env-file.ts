import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';

type Environment = Readonly<Record<string, string | undefined>>;

/** The environment with what `.env` of a folder adds (KEY=VALUE lines): what the process was given wins. */
export function environmentWithFile(folder: string, given: Environment): Environment {
  return { ...parseEnv(readOr(join(folder, '.env'))), ...given };
}

function readOr(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw error;
  }
}
