import sharp from 'sharp';

// Images come many at a time: one thread each uses the cores better than several for one.
sharp.concurrency(1);

/** A picture of 40 megapixels takes about 160 MB when it is decoded whole. */
export const MAX_PIXELS = 40_000_000;
/** Bytes. */
export const MAX_UPLOAD_BYTES = 20 * 1024 * 1024;
/** Far above an honest picture of MAX_PIXELS on one core. */
const DECODE_SECONDS = 15;

export type ImageMimeType = 'image/png' | 'image/jpeg' | 'image/webp';

export interface ImageFacts {
  /** By the bytes, not by what the sender said. */
  readonly mimeType: ImageMimeType;
  /** Pixels, as shown. */
  readonly width: number;
  readonly height: number;
}

export const UPLOAD_REFUSALS = [
  'type-mismatch',
  'unsupported-media-type',
  'image-too-large',
  'payload-too-large',
  'invalid-image',
] as const;
export type UploadRefusalCode = (typeof UPLOAD_REFUSALS)[number];

/** The file is not one that we take. `message` may be shown to its sender. */
export class UploadRefused extends Error {
  override readonly name = 'UploadRefused';

  constructor(
    readonly code: UploadRefusalCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

const SIGNATURES: readonly { mimeType: ImageMimeType; matches: (bytes: Buffer) => boolean }[] = [
  { mimeType: 'image/png', matches: (bytes) => bytes.subarray(0, 8).toString('hex') === '89504e470d0a1a0a' },
  { mimeType: 'image/jpeg', matches: (bytes) => bytes.subarray(0, 3).toString('hex') === 'ffd8ff' },
  {
    mimeType: 'image/webp',
    matches: (bytes) =>
      bytes.subarray(0, 4).toString('latin1') === 'RIFF' &&
      bytes.subarray(8, 12).toString('latin1') === 'WEBP',
  },
];

/**
 * Decides whether bytes are an image that we take, decoding all of it, and says what it is.
 *
 * @param declaredMimeType what the sender says it is; absent or application/octet-stream says nothing.
 * @throws UploadRefused
 */
export async function readImageFacts(bytes: Buffer, declaredMimeType?: string): Promise<ImageFacts> {
  if (bytes.length > MAX_UPLOAD_BYTES) {
    throw new UploadRefused('payload-too-large', `A file has at most ${MAX_UPLOAD_BYTES} bytes`);
  }
  if (bytes.length === 0) throw new UploadRefused('invalid-image', 'The file is empty');
  const mimeType = mimeTypeOf(bytes, declaredMimeType);
  if (isAnimated(bytes, mimeType)) throw new UploadRefused('invalid-image', 'Animated images are not taken');
  const image = (): sharp.Sharp =>
    sharp(bytes, {
      limitInputPixels: MAX_PIXELS,
      limitInputChannels: 5,
      failOn: 'error',
      sequentialRead: true,
    });
  try {
    const { autoOrient } = await image().metadata();
    if (autoOrient.width * autoOrient.height > MAX_PIXELS) throw tooLarge();
    // Averaging to a stamp reads every row and keeps few: a truncated or broken image shows here.
    await image()
      .resize(8, 8, { fit: 'fill', fastShrinkOnLoad: false })
      .timeout({ seconds: DECODE_SECONDS })
      .toBuffer();
    return { mimeType, width: autoOrient.width, height: autoOrient.height };
  } catch (error) {
    if (error instanceof UploadRefused) throw error;
    const said = (error as Error).message;
    if (/pixel limit|exceeds.*limit/i.test(said)) throw tooLarge(error);
    throw new UploadRefused('invalid-image', 'The image cannot be decoded', { cause: error });
  }
}

function tooLarge(cause?: unknown): UploadRefused {
  return new UploadRefused('image-too-large', `An image has at most ${MAX_PIXELS} pixels`, { cause });
}

function mimeTypeOf(bytes: Buffer, declared: string | undefined): ImageMimeType {
  const found = SIGNATURES.find(({ matches }) => matches(bytes))?.mimeType;
  const said = declared?.split(';', 1)[0]?.trim().toLowerCase();
  const isSaid = said !== undefined && said !== '' && said !== 'application/octet-stream';
  const isSaidKnown = SIGNATURES.some(({ mimeType }) => mimeType === said);
  if (isSaid && isSaidKnown && found !== said) {
    throw new UploadRefused('type-mismatch', `The file is said to be ${said}, its bytes are not`);
  }
  if (found === undefined)
    throw new UploadRefused('unsupported-media-type', 'Only PNG, JPEG and WebP are taken');
  if (isSaid && found !== said) {
    throw new UploadRefused(
      'type-mismatch',
      `The bytes are ${found}, which is not what the file is said to be`,
    );
  }
  return found;
}

/** One frame is decoded and checked; thousands more behind it would be served unchecked. */
function isAnimated(bytes: Buffer, mimeType: ImageMimeType): boolean {
  switch (mimeType) {
    case 'image/png': {
      const animation = bytes.indexOf('acTL', 8, 'latin1');
      return animation !== -1 && animation < bytes.indexOf('IDAT', 8, 'latin1');
    }
    case 'image/webp':
      // VP8X header: the second bit of its flags.
      return bytes.subarray(12, 16).toString('latin1') === 'VP8X' && ((bytes[20] ?? 0) & 0x02) !== 0;
    case 'image/jpeg':
      return false;
  }
}
