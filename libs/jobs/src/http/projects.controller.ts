import { Body, Controller, Get, Inject, Post, Query } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional, ApiTags } from '@nestjs/swagger';
import { IsString, Length, MaxLength } from 'class-validator';
import { CurrentActor, CursorCodec, Database, IdParam, newId, Problem, QueryInt } from '@genledger/platform';
import type { Actor } from '@genledger/platform';
import { IsId, IsNotBlank, Nullable, Optional } from './job-validators';

class CreateProjectDto {
  @ApiProperty({ maxLength: 200 })
  @IsString()
  @Length(1, 200)
  @IsNotBlank()
  name!: string;
}

class CreateAssetDto {
  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @Nullable()
  @IsId()
  project_id?: string | null;

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @Nullable()
  @IsId()
  upload_id?: string | null;
}

class PageDto {
  @ApiPropertyOptional({ type: 'integer', minimum: 1, maximum: 100, default: 20 })
  @Optional()
  @QueryInt({ min: 1, max: 100 })
  limit?: number;

  @ApiPropertyOptional()
  @Optional()
  @IsString()
  @MaxLength(1_100)
  cursor?: string;
}

interface ProjectResource {
  readonly id: string;
  readonly user_id: string;
  readonly name: string;
  readonly created_at: Date;
}

interface AssetResource {
  readonly id: string;
  readonly user_id: string;
  readonly project_id: string | null;
  readonly upload_id: string | null;
  readonly created_at: Date;
}

interface Page<T> {
  readonly data: readonly T[];
  readonly has_more: boolean;
  readonly next_cursor: string | null;
}

const COLUMNS = {
  projects: 'id, user_id, name, created_at',
  assets: 'id, user_id, project_id, upload_id, created_at',
};

/** What jobs refer to: bare rows that a user owns. */
@ApiTags('projects')
@Controller('v1')
export class ProjectsController {
  constructor(
    @Inject(Database) private readonly database: Database,
    @Inject(CursorCodec) private readonly cursors: CursorCodec,
  ) {}

  @Post('projects')
  async createProject(
    @CurrentActor() actor: Actor,
    @Body() body: CreateProjectDto,
  ): Promise<ProjectResource> {
    const [project] = await this.database.write<ProjectResource>(
      `insert into genledger.projects (id, user_id, name) values ($1, $2, $3) returning ${COLUMNS.projects}`,
      [newId(), actor.userId, body.name],
    );
    return project!;
  }

  @Get('projects')
  listProjects(@CurrentActor() actor: Actor, @Query() page: PageDto): Promise<Page<ProjectResource>> {
    return this.list<ProjectResource>('projects', actor, page);
  }

  @Get('projects/:id')
  getProject(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<ProjectResource> {
    return this.get<ProjectResource>('projects', actor, id);
  }

  @Post('assets')
  async createAsset(@CurrentActor() actor: Actor, @Body() body: CreateAssetDto): Promise<AssetResource> {
    const { project_id = null, upload_id = null } = body;
    if (project_id !== null) await this.requireOwn('projects', actor, project_id, '#/project_id');
    if (upload_id !== null) await this.requireOwn('uploads', actor, upload_id, '#/upload_id');
    const [asset] = await this.database.write<AssetResource>(
      `insert into genledger.assets (id, user_id, project_id, upload_id) values ($1, $2, $3, $4) returning ${COLUMNS.assets}`,
      [newId(), actor.userId, project_id, upload_id],
    );
    return asset!;
  }

  @Get('assets')
  listAssets(@CurrentActor() actor: Actor, @Query() page: PageDto): Promise<Page<AssetResource>> {
    return this.list<AssetResource>('assets', actor, page);
  }

  @Get('assets/:id')
  getAsset(@CurrentActor() actor: Actor, @IdParam() id: string): Promise<AssetResource> {
    return this.get<AssetResource>('assets', actor, id);
  }

  private async list<T extends { readonly id: string }>(
    table: keyof typeof COLUMNS,
    actor: Actor,
    { limit = 20, cursor }: PageDto,
  ): Promise<Page<T>> {
    const binding = { userId: actor.userId, filter: { list: table } };
    const before = cursor === undefined ? null : this.cursors.decode<{ id: string }>(cursor, binding).id;
    const rows = await this.database.read(actor, (query) =>
      query<T>(
        `select ${COLUMNS[table]} from genledger.${table}
          where user_id = $1 and ($2::uuid is null or id < $2) order by id desc limit $3`,
        [actor.userId, before, limit + 1],
      ),
    );
    const data = rows.slice(0, limit);
    const has_more = rows.length > limit;
    return {
      data,
      has_more,
      next_cursor: has_more ? this.cursors.encode({ id: data.at(-1)!.id }, binding) : null,
    };
  }

  private async get<T extends object>(table: keyof typeof COLUMNS, actor: Actor, id: string): Promise<T> {
    const [row] = await this.database.read(actor, (query) =>
      query<T>(`select ${COLUMNS[table]} from genledger.${table} where id = $1`, [id]),
    );
    if (!row) throw new Problem('not-found');
    return row;
  }

  private async requireOwn(
    table: 'projects' | 'uploads',
    actor: Actor,
    id: string,
    pointer: string,
  ): Promise<void> {
    const rows = await this.database.read({ ...actor, role: 'user' }, (query) =>
      query(`select 1 as own from genledger.${table} where id = $1`, [id]),
    );
    if (rows.length > 0) return;
    const detail = 'It does not exist, or is not yours';
    throw new Problem('unknown-reference', detail, {
      errors: [{ pointer, code: 'unknown-reference', detail }],
    });
  }
}
