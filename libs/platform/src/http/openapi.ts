import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { OpenAPIObject } from '@nestjs/swagger';
import { PUBLIC_EXTENSION } from '../identity/access';
import { PROBLEM_MEDIA_TYPE, PROBLEMS } from './problems';

const METHODS = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] as const;

/** Serves the OpenAPI 3.1 document at /openapi.json and a page to browse it at /docs. */
export function setupOpenApi(app: INestApplication, version = '1'): OpenAPIObject {
  const document = createOpenApiDocument(app, version);
  SwaggerModule.setup('docs', app, document, { jsonDocumentUrl: 'openapi.json', raw: ['json'] });
  return document;
}

/** The document alone, for drift checks and clients. */
export function createOpenApiDocument(app: INestApplication, version = '1'): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Genledger')
    .setDescription('Runs generation jobs and keeps the books on them.')
    .setVersion(version)
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' })
    .addSecurityRequirements('bearer')
    .build();
  const document = SwaggerModule.createDocument(app, config);
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: PROBLEM_SCHEMA },
  };
  for (const path of Object.values(document.paths)) {
    for (const method of METHODS) {
      const operation = path[method] as
        (Record<string, unknown> & { responses: Record<string, unknown> }) | undefined;
      if (operation === undefined) continue;
      operation.responses['default'] ??= PROBLEM_RESPONSE;
      if (operation[PUBLIC_EXTENSION] === true) operation['security'] = [];
      delete operation[PUBLIC_EXTENSION];
    }
  }
  return document;
}

const PROBLEM_RESPONSE = {
  description: 'Any error',
  content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
};

const text = (description: string) => ({ type: 'string', description });

const PROBLEM_SCHEMA = {
  type: 'object',
  description: 'Problem details (RFC 9457)',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'request_id'],
  properties: {
    type: text('urn:genledger:problem:<code>'),
    title: text('What is wrong in general'),
    status: { type: 'integer', minimum: 400, maximum: 599 },
    detail: text('What is wrong this time'),
    instance: text('Path of the request'),
    code: { type: 'string', enum: Object.keys(PROBLEMS) },
    request_id: text('As in the header X-Request-Id and in the log'),
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'code', 'detail'],
        properties: {
          pointer: text('JSON pointer to the fault, as a URI fragment'),
          code: text('What is wrong there, for programs'),
          detail: text('What is wrong there, for people'),
        },
      },
    },
  },
};
