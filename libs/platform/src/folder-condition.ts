import { access, constants, stat, statfs } from 'node:fs/promises';
import { dirname } from 'node:path';

export interface FolderCondition {
  readonly exists: boolean;
  /** Why it cannot be written, or made where it is absent. */
  readonly fault?: string;
  /** For this process, on the file system that it is on or would be on. */
  readonly freeBytes: number;
}

/** Whether a folder can be written, or made, and how much room there is. Writes nothing. */
export async function folderCondition(folder: string): Promise<FolderCondition> {
  const nearest = await nearestExisting(folder);
  const { bavail, bsize } = await statfs(nearest);
  const fault = await faultOf(nearest);
  return { exists: nearest === folder, ...(fault && { fault }), freeBytes: bavail * bsize };
}

async function nearestExisting(folder: string): Promise<string> {
  for (let path = folder; ; path = dirname(path)) {
    const isThere = await stat(path).then(
      () => true,
      () => false,
    );
    if (isThere || path === dirname(path)) return path;
  }
}

async function faultOf(path: string): Promise<string | undefined> {
  if (!(await stat(path)).isDirectory()) return `${path} is not a folder`;
  return access(path, constants.W_OK | constants.X_OK).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => `${path} cannot be written (${error.code})`,
  );
}
