import type { ImageMimeType } from './image-facts';

const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const STORAGE_KEY = new RegExp(`^${UUID}/\\d{4}-(0[1-9]|1[0-2])/${UUID}\\.(png|jpg|webp)$`);

/** The only form a key has: `user_id/yyyy-mm/id.ext`. No text of a user's can be in one, no `..`, no backslash. */
export function isStorageKey(key: string): boolean {
  return STORAGE_KEY.test(key);
}

/**
 * Where an upload's bytes go. The month is that of the id (a UUIDv7 begins with its milliseconds), so that storing the
 * same upload again names the same key.
 */
export function storageKeyOf(userId: string, uploadId: string, mimeType: ImageMimeType): string {
  const ms = Number.parseInt(uploadId.slice(0, 8) + uploadId.slice(9, 13), 16);
  const key = `${userId}/${new Date(ms).toISOString().slice(0, 7)}/${uploadId}.${extensionOf(mimeType)}`;
  if (!isStorageKey(key))
    throw new Error('ids of uploads and users are canonical UUIDs, those of uploads version 7');
  return key;
}

function extensionOf(mimeType: ImageMimeType): 'png' | 'jpg' | 'webp' {
  switch (mimeType) {
    case 'image/png':
      return 'png';
    case 'image/jpeg':
      return 'jpg';
    case 'image/webp':
      return 'webp';
  }
}
