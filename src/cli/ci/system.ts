/**
 * What a CI system says in the environment of a step about repository, commit, workflow, job and run. Any program can
 * set these variables, the step's own included: it goes under `claimed`, as `ci.…`, and is never held for observed.
 */
import type { RecordRequest } from '../../client/client.ts';
import { publicUrl } from './source.ts';

type Claims = NonNullable<RecordRequest['claimed']>;

/** Of each fact, the variables whose values are put together with `/`; all must be there. */
interface System {
  readonly name: string;
  /** Variables that are set under this system and no other. */
  readonly when: readonly string[];
  readonly repository: readonly string[];
  readonly commit: readonly string[];
  readonly ref: readonly string[];
  readonly workflow: readonly string[];
  readonly job: readonly string[];
  readonly run: readonly string[];
}

const ACTIONS = {
  repository: ['GITHUB_SERVER_URL', 'GITHUB_REPOSITORY'],
  commit: ['GITHUB_SHA'],
  ref: ['GITHUB_REF'],
  job: ['GITHUB_JOB'],
  run: ['GITHUB_RUN_ID', 'GITHUB_RUN_ATTEMPT'],
};

/** The first whose variables are there; those that speak GitHub's language come before it. */
const SYSTEMS: readonly System[] = [
  {
    name: 'forgejo',
    when: ['FORGEJO_ACTIONS'],
    ...ACTIONS,
    workflow: ['GITHUB_WORKFLOW'],
    run: ['GITHUB_RUN_ID'],
  },
  {
    name: 'gitea',
    when: ['GITEA_ACTIONS'],
    ...ACTIONS,
    workflow: ['GITHUB_WORKFLOW'],
    run: ['GITHUB_RUN_ID'],
  },
  { name: 'github', when: ['GITHUB_ACTIONS'], ...ACTIONS, workflow: ['GITHUB_WORKFLOW_REF'] },
  {
    name: 'gitlab',
    when: ['GITLAB_CI'],
    repository: ['CI_PROJECT_URL'],
    commit: ['CI_COMMIT_SHA'],
    ref: ['CI_COMMIT_REF_NAME'],
    workflow: ['CI_CONFIG_PATH'],
    job: ['CI_JOB_NAME'],
    run: ['CI_PIPELINE_ID', 'CI_JOB_ID'],
  },
  {
    name: 'buildkite',
    when: ['BUILDKITE'],
    repository: ['BUILDKITE_REPO'],
    commit: ['BUILDKITE_COMMIT'],
    ref: ['BUILDKITE_BRANCH'],
    workflow: ['BUILDKITE_PIPELINE_SLUG'],
    job: ['BUILDKITE_LABEL'],
    run: ['BUILDKITE_BUILD_ID', 'BUILDKITE_JOB_ID'],
  },
  {
    name: 'jenkins',
    when: ['JENKINS_URL', 'BUILD_NUMBER'],
    repository: ['GIT_URL'],
    commit: ['GIT_COMMIT'],
    ref: ['GIT_BRANCH'],
    workflow: ['JOB_NAME'],
    job: ['STAGE_NAME'],
    run: ['BUILD_NUMBER'],
  },
];

/** The claims of the CI system that this environment is of; none where it is of none that is known. */
export function systemClaims(environment: NodeJS.ProcessEnv): Claims {
  const has = (name: string) => (environment[name] ?? '') !== '';
  const system = SYSTEMS.find(({ when }) => when.every(has));
  if (system === undefined) return {};
  const claims: Record<string, string> = { 'ci.system': system.name };
  for (const fact of ['repository', 'commit', 'ref', 'workflow', 'job', 'run'] as const) {
    const names = system[fact];
    if (!names.every(has)) continue;
    const value = names.map((n) => environment[n]).join('/');
    const shown = fact === 'repository' ? publicUrl(value) : value;
    if (shown !== undefined && shown.length <= 1024) claims[`ci.${fact}`] = shown;
  }
  return claims;
}
