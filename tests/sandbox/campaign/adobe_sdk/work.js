// Does the documented work of Adobe's SDK, unmodified, and prints what came back as one JSON object.
'use strict'

const sdk = require('@adobe/aio-lib-campaign-standard')

const { TENANT, API_KEY, ACCESS_TOKEN } = process.env
const seen = {}

/** Keeps the outcome of one call under a name: status and body, or the error's code and words. */
async function step (name, call) {
  try {
    const answer = await call()
    seen[name] = answer && answer.status !== undefined ? { status: answer.status, body: answer.body } : { body: answer }
  } catch (error) {
    seen[name] = { error: error.code || error.name, message: String(error.message) }
  }
  return seen[name].body
}

async function profiles (client) {
  const made = await step('createProfile', () => client.createProfile({
    email: 'ines@x.example', firstName: 'Ines', lastName: 'in der Maur'
  }))
  await step('getProfile', () => client.getProfile(made.PKey))
  await step('updateProfile', () => client.updateProfile(made.PKey, { firstName: 'Mirela' }))
  await step('getProfileAgain', () => client.getProfile(made.PKey))
  const all = await step('getAllProfiles', () => client.getAllProfiles({ lineCount: 2, order: 'email', descendingSort: true }))
  await step('byText', () => client.getAllProfiles({ filters: ['byText'], text: 'Mire' }))
  await step('customFilter', () => client.getAllProfiles({
    filters: ['byextId'], hasCustomFilter: true, externalId_parameter: 'seeded-1'
  }))
  await step('nextPage', () => client.getDataFromRelativeUrl(relative(all.next.href)))
  await step('history', () => client.getHistoryOfProfile(made.PKey))
  return made
}

/** The SDK follows addresses relative to the organisation, path only. */
function relative (href) {
  return new URL(href).pathname.split('/campaign/')[1]
}

async function services (client, profile) {
  await step('createService', () => client.createService({ name: 'spa_news', label: 'Spa news' }))
  const found = await step('getAllServices', () => client.getAllServices({ filters: ['byChannel', 'byText'], channel: 'email', text: 'spa' }))
  const service = found.content[0]
  await step('getService', () => client.getService(service.PKey))
  await step('subscribe', async () => {
    const answer = await client.postDataToUrl(profile.subscriptions.href, { service: { PKey: service.PKey } })
    return { status: answer.status, body: await answer.json() }
  })
}

async function units (client, profile) {
  const all = await step('getAllOrgUnits', () => client.getAllOrgUnits())
  await step('updateProfileOrgUnit', () => client.updateProfileOrgUnit(profile.PKey, all.content[0].PKey))
  await step('getProfileWithOrgUnit', () => client.getProfileWithOrgUnit(profile.PKey))
  await step('updateOrgUnit', () => client.updateOrgUnit(all.content[0].PKey, { label: 'Everyone' }))
}

async function metadata (client) {
  for (const resource of ['profile', 'service', 'history']) {
    await step(`metadata_${resource}`, () => client.getMetadataForResource(resource))
  }
  await step('getMetadataForResourceExt', () => client.getMetadataForResourceExt('profile'))
  await step('getCustomResources', () => client.getCustomResources())
}

async function customResources (client) {
  const made = await step('createCustomResource', () => client.createCustomResource('cusTicket', { ticketId: 't1', subject: 'Lost bag' }))
  await step('updateCustomResource', () => client.updateCustomResource('cusTicket', made.PKey, { subject: 'Found bag' }))
  await step('getAllProfileAndServicesExt', () => client.getAllProfileAndServicesExt('cusTicket', {}))
  await step('deleteCustomResource', () => client.deleteCustomResource('cusTicket', made.PKey))
  await step('getAllBasicCustomResources', () => client.getAllBasicCustomResources('cusSite'))
  await step('unknownResource', () => client.createCustomResource('deadbeef', {}))
}

async function workflows (client) {
  await step('startWorkflow', () => client.controlWorkflow('WKF87', 'start'))
  const found = await step('getWorkflow', () => client.getWorkflow('WKF87'))
  const href = found.activities.activity.signal1.trigger.href
  await step('trigger', () => client.triggerSignalActivity(href, { source: 'API', parameters: { inFile: 'a.csv' } }))
  await step('triggerAgain', () => client.triggerSignalActivity(href, { source: 'API' }))
}

async function refusals (client) {
  await step('badToken', async () => (await sdk.init(TENANT, API_KEY, 'bad_access_token')).getAllProfiles())
  await step('badKey', async () => (await sdk.init(TENANT, 'bad_api_key', ACCESS_TOKEN)).getAllProfiles())
  await step('badTenant', async () => (await sdk.init('bad_tenant_id', API_KEY, ACCESS_TOKEN)).getAllProfiles())
  await step('badBody', () => client.updateCustomResource('deadbeef', {}, '@gibberish'))
  await step('badValue', () => client.createProfile({ gender: 'femal' }))
  await step('transactional', () => client.sendTransactionalEvent('EVT1', { email: 'a@x.example' }))
}

async function main () {
  const client = await sdk.init(TENANT, API_KEY, ACCESS_TOKEN)
  const profile = await profiles(client)
  await services(client, profile)
  await units(client, profile)
  await metadata(client)
  await customResources(client)
  await workflows(client)
  await refusals(client)
  process.stdout.write(JSON.stringify(seen))
}

main().catch(error => {
  process.stderr.write(`${error.stack}\n${JSON.stringify(seen)}\n`)
  process.exitCode = 1
})
