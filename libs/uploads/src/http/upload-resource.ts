import type { Upload, UploadPurpose } from '../upload';
import type { UploadLinks } from '../upload-links';

/** An upload on the wire. */
export interface UploadResource {
  readonly id: string;
  readonly purpose: UploadPurpose;
  readonly mime_type: string;
  /** Bytes. */
  readonly size: number;
  readonly sha256: string;
  readonly width: number;
  readonly height: number;
  /** Signed; needs no credentials until it expires. */
  readonly url: string;
  readonly url_expires_at: string;
  readonly storage_key: string;
  /** The same as `url`, under the name that older clients read. */
  readonly public_url: string;
  readonly created_at: string;
}

/** `baseUrl` is scheme and host of the addresses in it; empty: paths. */
export function toUploadResource(upload: Upload, links: UploadLinks, baseUrl: string): UploadResource {
  const { url, url_expires_at } = links.sign(upload.id, baseUrl);
  return {
    id: upload.id,
    purpose: upload.purpose,
    mime_type: upload.mimeType,
    size: upload.size,
    sha256: upload.sha256,
    width: upload.width,
    height: upload.height,
    url,
    url_expires_at,
    storage_key: upload.storageKey,
    public_url: url,
    created_at: upload.createdAt.toISOString(),
  };
}
