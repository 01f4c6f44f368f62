import { IsIn, IsOptional, IsString } from 'class-validator';
import { Problem, QueryInt } from '@genledger/platform';
import type { FastifyRequest } from 'fastify';
import { UploadRefused } from '../image-facts';
import { UPLOAD_PURPOSES, type UploadPurpose } from '../upload';

export class ListUploadsQuery {
  @IsOptional()
  @IsIn(UPLOAD_PURPOSES)
  purpose?: UploadPurpose;

  @IsOptional()
  @QueryInt({ min: 1, max: 100 })
  limit?: number;

  @IsOptional()
  @IsString()
  cursor?: string;
}

export interface ReceivedFile {
  readonly bytes: Buffer;
  readonly mimeType: string;
}

/**
 * The one file of a multipart body, in its field `file`, read to its end.
 * @throws Problem
 */
export async function receiveFile(request: FastifyRequest): Promise<ReceivedFile> {
  if (!request.isMultipart()) throw new Problem('unsupported-media-type', 'Send multipart/form-data');
  let received: ReceivedFile | undefined;
  try {
    for await (const part of request.parts()) {
      if (part.type !== 'file' || part.fieldname !== 'file') throw unexpectedPart();
      received = { bytes: await part.toBuffer(), mimeType: part.mimetype };
    }
  } catch (error) {
    throw error instanceof Problem ? error : toProblem(error);
  }
  if (received) return received;
  const errors = [{ pointer: '#/file', code: 'required', detail: 'file is required' }];
  throw new Problem('validation-failed', 'The body has no file', { errors });
}

/** What a refusal or a multipart error is to a client. */
export function toProblem(error: unknown): Problem {
  if (error instanceof UploadRefused) return new Problem(error.code, error.message, { cause: error });
  const code = (error as { readonly code?: unknown }).code;
  switch (code) {
    case 'FST_REQ_FILE_TOO_LARGE':
      return new Problem('payload-too-large', undefined, { cause: error });
    case 'FST_FILES_LIMIT':
    case 'FST_FIELDS_LIMIT':
    case 'FST_PARTS_LIMIT':
    case 'FST_PROTO_VIOLATION':
      return unexpectedPart();
    case 'FST_INVALID_MULTIPART_CONTENT_TYPE':
      return new Problem('unsupported-media-type', 'Send multipart/form-data', { cause: error });
    default:
      return new Problem('bad-request', 'The multipart body cannot be parsed', { cause: error });
  }
}

function unexpectedPart(): Problem {
  return new Problem('validation-failed', 'The body has exactly one part: a file in the field "file"');
}
