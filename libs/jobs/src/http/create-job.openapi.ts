import { applyDecorators } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader } from '@nestjs/swagger';
import { ApiPreferWait } from '@genledger/platform';

const text = (description: string) => ({ description, schema: { type: 'string' } as const });

/** Documents the headers and answers of POST /v1/jobs. */
export const ApiCreateJob = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({ name: 'Idempotency-Key', required: false }),
    ApiPreferWait(),
    ApiCreatedResponse({
      description: 'The job',
      headers: {
        Location: text('Path of the job'),
        'Preference-Applied': text('The wait that was applied, where one was preferred'),
      },
    }),
  );
