import type { ImageFacts } from './image-facts';

export const UPLOAD_PURPOSES = ['generation_output', 'input'] as const;
export type UploadPurpose = (typeof UPLOAD_PURPOSES)[number];

/** What is known of a stored file. */
export interface Upload extends ImageFacts {
  readonly id: string;
  readonly userId: string;
  readonly purpose: UploadPurpose;
  readonly storageKey: string;
  /** Bytes. */
  readonly size: number;
  /** Of the bytes, lower-case hex. */
  readonly sha256: string;
  readonly createdAt: Date;
}

/** A row of genledger.uploads. */
export interface UploadRow {
  readonly id: string;
  readonly user_id: string;
  readonly purpose: UploadPurpose;
  readonly storage_key: string;
  readonly mime_type: Upload['mimeType'];
  readonly size: number;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  readonly created_at: Date;
}

export const UPLOAD_COLUMNS =
  'u.id, u.user_id, u.purpose, u.storage_key, u.mime_type, u.size, u.sha256, u.width, u.height, u.created_at';

export function toUpload(row: UploadRow): Upload {
  return {
    id: row.id,
    userId: row.user_id,
    purpose: row.purpose,
    storageKey: row.storage_key,
    mimeType: row.mime_type,
    size: row.size,
    sha256: row.sha256,
    width: row.width,
    height: row.height,
    createdAt: row.created_at,
  };
}
