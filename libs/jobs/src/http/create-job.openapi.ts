import { applyDecorators } from '@nestjs/common';
import { ApiCreatedResponse, ApiHeader, ApiOkResponse } from '@nestjs/swagger';
import { ApiPreferWait } from '@genledger/platform';

const text = (description: string) => ({ description, schema: { type: 'string' } as const });

/** Documents the headers and answers of POST /v1/jobs. */
export const ApiCreateJob = (): MethodDecorator =>
  applyDecorators(
    ApiHeader({ name: 'Idempotency-Key', required: false }),
    ApiHeader({
      name: 'Cancel-After',
      required: false,
      description:
        'Sets `deadline`: so long from now, in seconds or with units (`90`, `1m30s`, `2h`). Not together with `deadline`',
      schema: { type: 'string', examples: ['1m30s'] },
    }),
    ApiPreferWait(),
    ApiCreatedResponse({
      description: 'The job',
      headers: {
        Location: text('Path of the job'),
        'Preference-Applied': text('The wait that was applied, where one was preferred'),
      },
    }),
    ApiOkResponse({ description: 'Dry run: what would be queued, and its price' }),
  );
