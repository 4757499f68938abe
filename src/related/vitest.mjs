// Says, as `vitest related` finds it, which test files depend on the files that are named, and which there are.
const { createVitest } = await import('vitest/node')
const related = process.argv.slice(1)
const vitest = await createVitest('test', { watch: false, run: true, passWithNoTests: true, related })
const names = (found) => [...new Set(found.map((one) => one.moduleId))]
const answer = {
  related: names(await vitest.getRelevantTestSpecifications()),
  all: names(await vitest.globTestSpecifications()),
  coverage: vitest.config.coverage.enabled === true,
}
process.stdout.write('\n' + JSON.stringify(answer) + '\n', () => process.exit(0))
