import { Body, Controller, Delete, Get, Module, Patch, Post, Query } from '@nestjs/common';
import type { INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  IsInt,
  IsOptional,
  IsString,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { loadConfig } from '../config';
import { PlatformHttpModule } from '../http-platform.module';
import { CurrentActor, Public, Roles } from '../identity/access';
import type { Actor } from '../identity/actor';
import { configureHttp, createFastifyAdapter } from '../http/fastify';
import type { HttpOptions } from '../http/fastify';
import type { HealthProbe } from '../http/health.controller';
import { IdParam } from '../http/id-param';
import { IdempotencyKey } from '../http/idempotency-key';
import { setupOpenApi } from '../http/openapi';
import { currentRequestId } from '../http/request-context';
import { QueryBoolean, QueryInt, QueryMap } from '../http/query-parameters';
import { IsTimestamp } from '../http/timestamp';

export const secret = 'a secret of at least thirty-two bytes';
export const health: { reason: string | undefined } = { reason: undefined };

class PartDto {
  @IsString()
  @MaxLength(5)
  label!: string;
}

class ThingDto {
  @IsOptional()
  @IsString()
  @MaxLength(100)
  name?: string;

  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(2_147_483_647)
  cost_cents?: number;

  @IsOptional()
  @IsTimestamp()
  run_at?: string;

  @IsOptional()
  @ArrayMaxSize(3)
  @ValidateNested({ each: true })
  @Type(() => PartDto)
  parts?: PartDto[];
}

class ListQuery {
  @IsOptional()
  @QueryInt({ min: 1, max: 100 })
  limit?: number;

  @IsOptional()
  @QueryBoolean()
  dry_run?: boolean;

  @IsOptional()
  @QueryMap()
  trait?: Record<string, string>;
}

@Controller('v1/things')
class ThingsController {
  @Post()
  create(@Body() body: ThingDto, @IdempotencyKey() key?: string): object {
    return { body, key, request_id: currentRequestId() };
  }

  @Get()
  list(@Query() query: ListQuery): object {
    return query;
  }

  @Get(':id')
  get(@IdParam() id: string, @CurrentActor() actor: Actor): object {
    return { id, actor };
  }

  @Patch(':id')
  change(@IdParam() id: string, @Body() body: ThingDto): object {
    return { id, body };
  }

  @Delete(':id')
  remove(): void {
    throw new Error('deleting from genledger.things where id = $1 failed');
  }
}

@Controller()
class OtherController {
  @Post('api/generate/text-to-image')
  generate(@Body() body: ThingDto): object {
    return body;
  }

  @Post('v1/jobs/batch')
  batch(@Body() body: Record<string, unknown>): object {
    return { items: (body['items'] as unknown[]).length };
  }

  @Roles('admin')
  @Get('v1/admin')
  admin(): string {
    return 'admin';
  }

  @Roles('worker')
  @Post('v1/worker/claims')
  claim(): string {
    return 'claimed';
  }

  @Public()
  @Get('open')
  open(@Query('name') name?: string): object {
    return { name };
  }
}

const probe: HealthProbe = { name: 'database', check: () => Promise.resolve(health.reason) };
const config = loadConfig({ JWT_SECRET: secret });

@Module({
  imports: [PlatformHttpModule.forRoot({ config, probes: { useFactory: () => [probe] } })],
  controllers: [ThingsController, OtherController],
})
class FixtureModule {}

/** A small application on a free port, wired as the server is. */
export async function startFixture(
  options: HttpOptions = {},
): Promise<{ app: INestApplication; port: number }> {
  const adapter = createFastifyAdapter({
    formLabelledJsonRoutes: ['/api/generate/text-to-image'],
    ...options,
  });
  const testing = await Test.createTestingModule({ imports: [FixtureModule] }).compile();
  const app = testing.createNestApplication<NestFastifyApplication>(adapter, { logger: false });
  configureHttp(app);
  setupOpenApi(app);
  await app.listen(0, '127.0.0.1');
  const address = adapter.getInstance().server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { app, port: address.port };
}
