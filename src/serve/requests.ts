/**
 * What clients send: the definitions that check requests and describe them in OpenAPI. The values
 * of the steps are checked by the model.
 */
import { validateAgainst } from '../config/schema/validate.js';
import { WavFile } from '../data/formats/wav.js';
import { memoryBytes } from '../data/reading/ranged-file.js';
import { parseJson } from '../run/json.js';
import { UserError } from '../util/errors.js';
import {
  anything,
  document,
  either,
  integer,
  type JsonSchema,
  list,
  number,
  optional,
  struct,
  type TypeOf,
  text,
} from '../util/schema.js';
import { JobError } from './threads.js';

const model = optional(text('Name of the model; may be absent if the service has one model.'));
const anyStep = anything<unknown>(
  'The values of a step: a list, an object by the names of the columns, a number, or a symbol as text.',
);
const steps = list(anyStep, { description: 'The steps of the sequence.', minItems: 1 });

/** The body of each operation; in a stream of lines, each line is one. */
export const requests = document('Request', 'A request to a service of predictions, by its operation.', {
  predict: optional(
    struct('A sequence to predict.', {
      model,
      steps: either([text('A text.'), steps], {
        description: 'Its steps, or a text, as in the data of the run.',
      }),
      id: optional(text('Returned with the prediction.')),
      times: optional(list(text('A time as written in the data.'), 'One for each step; returned.')),
    }),
  ),
  open: optional(struct('A sequence whose steps are sent one after another.', { model })),
  step: optional(struct('The next steps of a session.', { steps })),
  generate: optional(
    struct('A text that a language model continues.', {
      model,
      prompt: optional(text('The start of the text; it is not returned. Default: empty.')),
      length: optional(
        integer({ description: 'Number of symbols to draw. Default: 500.', min: 0, max: 1_000_000 }),
      ),
      temperature: optional(number({ description: '0 takes the likeliest symbol. Default: 1.', min: 0 })),
      seed: optional(
        integer({ description: 'Of the random draws. Default: 0.', min: 0, max: Number.MAX_SAFE_INTEGER }),
      ),
    }),
  ),
});

type Requests = Required<TypeOf<typeof requests>>;
export type Operation = keyof Requests;

/** @throws JobError (status 400) with all problems of the body */
export function parsed<O extends Operation>(operation: O, body: string): Requests[O] {
  let value: unknown;
  try {
    value = parseJson('body', body);
  } catch (error) {
    if (error instanceof UserError) throw new JobError(400, error.message);
    throw error;
  }
  const problems = validateAgainst('request', { [operation]: value })
    .filter(({ schemaPath }) => !schemaPath.includes('/oneOf/'))
    .map(({ instancePath, keyword, message, params }) => {
      const [, , ...path] = instancePath.split('/');
      const { additionalProperty } = params as { readonly additionalProperty?: string };
      const known = keyword === 'oneOf' ? 'must be a text, or a list of at least one step' : message;
      const what = additionalProperty === undefined ? known : `has no key '${additionalProperty}'`;
      return { code: 'serve/body', message: `${['body', ...path].join('.')} ${what}` };
    });
  if (problems.length > 0)
    throw new JobError(400, problems.map(({ message }) => message).join('; '), problems);
  return value as Requests[O];
}

/**
 * The samples of a WAV file, and their rate.
 * @param channel that the model reads
 * @throws JobError (status 400)
 */
export function recordingIn(body: Buffer, channel: number | 'mix' = 'mix') {
  try {
    const wav = new WavFile(memoryBytes('body', body));
    const samples = new Float64Array(wav.length);
    let at = 0;
    for (const piece of wav.samples({ channel: channel === 'mix' ? undefined : channel })) {
      samples.set(piece, at);
      at += piece.length;
    }
    return { samples, rate: wav.rate };
  } catch (error) {
    if (error instanceof UserError) throw new JobError(400, error.message, error.diagnostics);
    throw error;
  }
}

const JSON_TYPE = 'application/json';
export const LINES_TYPE = 'application/x-ndjson';

interface Described {
  readonly summary: string;
  readonly operation?: Operation;
  readonly isStreamed?: boolean;
  readonly parameters?: readonly JsonSchema[];
  /** Of other bodies, by their type. */
  readonly content?: JsonSchema;
  readonly returns: readonly [status: number, type: string, description: string, schema?: JsonSchema];
  readonly refusals?: readonly number[];
}

const error: JsonSchema = {
  type: 'object',
  required: ['error'],
  properties: {
    error: { type: 'string', description: 'What is wrong.' },
    problems: { type: 'array', items: { type: 'object' }, description: 'Each problem, located.' },
  },
};

const prediction: JsonSchema = {
  type: 'object',
  description: 'The fields of a line that `cellrun predict` prints, which depend on the model.',
};

const REASONS: Readonly<Record<number, string>> = {
  400: 'The request is malformed.',
  404: 'There is no such model or session.',
  408: 'The body came too slowly.',
  413: 'The body, or a line of it, is too long.',
  422: 'The values do not fit the model.',
  429: 'The client has too many sessions.',
  503: 'The server is busy, or stops, or no thread answers.',
  504: 'The computation took too long.',
};
const BODY = [400, 404, 408, 413, 422, 503, 504];

const OPERATIONS: Readonly<Record<string, Readonly<Record<string, Described>>>> = {
  '/predict': {
    post: {
      summary: 'Predict a sequence, or a stream of them: a line each',
      operation: 'predict',
      isStreamed: true,
      parameters: [
        { name: 'model', in: 'query', description: 'Of a recording.', schema: { type: 'string' } },
      ],
      content: { 'audio/wav': { schema: { type: 'string', format: 'binary' } } },
      returns: [200, JSON_TYPE, 'The prediction.', prediction],
      refusals: BODY,
    },
  },
  '/sessions': {
    post: {
      summary: 'Begin a sequence whose steps follow',
      operation: 'open',
      returns: [
        201,
        JSON_TYPE,
        'The session.',
        { type: 'object', required: ['session'], properties: { session: { type: 'string' } } },
      ],
      refusals: [...BODY, 429],
    },
  },
  '/sessions/{session}': {
    post: {
      summary: 'Add steps to a session, or a stream of them',
      operation: 'step',
      isStreamed: true,
      returns: [
        200,
        JSON_TYPE,
        'The prediction at each step.',
        {
          type: 'object',
          required: ['predictions'],
          properties: { predictions: { type: 'array', items: prediction } },
        },
      ],
      refusals: BODY,
    },
    delete: { summary: 'End a session', returns: [204, '', 'It has ended.'], refusals: [404] },
  },
  '/generate': {
    post: {
      summary: 'Continue a text, which is sent as it is written',
      operation: 'generate',
      returns: [200, 'text/plain', 'The continuation.', { type: 'string' }],
      refusals: BODY,
    },
  },
  '/models': { get: { summary: 'The models, and what they read', returns: [200, JSON_TYPE, 'The models.'] } },
  '/health': {
    get: {
      summary: 'Whether the service can predict',
      returns: [200, JSON_TYPE, 'It can.'],
      refusals: [503],
    },
  },
  '/metrics': {
    get: {
      summary: "Measurements in Prometheus' text format",
      returns: [200, 'text/plain', 'The measurements.'],
    },
  },
};

/** The description at `/openapi.json`. */
export function openApi(version: string, models: readonly { readonly name: string }[]): JsonSchema {
  const { properties } = requests.schema() as {
    readonly properties: Readonly<Record<Operation, JsonSchema>>;
  };
  const paths = Object.entries(OPERATIONS).map(([path, methods]) => {
    const parameters = /\{session\}/.test(path) && {
      parameters: [{ name: 'session', in: 'path', required: true, schema: { type: 'string' } }],
    };
    const described = Object.entries(methods).map(([method, one]) => [method, { ...described1(one) }]);
    return [path, { ...parameters, ...Object.fromEntries(described) }];
  });
  return {
    openapi: '3.1.0',
    info: {
      title: models.map(({ name }) => name).join(', '),
      version,
      description: 'Predictions of trained models.',
    },
    paths: Object.fromEntries(paths),
    components: { schemas: { ...properties, error } },
  };
}

function described1({
  summary,
  operation,
  isStreamed,
  returns,
  refusals = [],
  ...more
}: Described): JsonSchema {
  const [status, type, description, schema = {}] = returns;
  const request = { schema: { $ref: `#/components/schemas/${operation}` } };
  const lines = { schema: { type: 'string', description: 'A JSON document in each line.' } };
  const own = { [type]: { schema }, ...(isStreamed && { [LINES_TYPE]: lines }) };
  const failed = { [JSON_TYPE]: { schema: { $ref: '#/components/schemas/error' } } };
  return {
    summary,
    ...(more.parameters && { parameters: more.parameters }),
    ...(operation && {
      requestBody: {
        required: operation !== 'open',
        content: { [JSON_TYPE]: request, ...(isStreamed && { [LINES_TYPE]: lines }), ...more.content },
      },
    }),
    responses: {
      [status]: { description, ...(type !== '' && { content: own }) },
      ...Object.fromEntries(refusals.map(one => [one, { description: REASONS[one], content: failed }])),
    },
  };
}
