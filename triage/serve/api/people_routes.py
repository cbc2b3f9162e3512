"""Serve: REST routes of the people who may act. The first admin and every approver are made on the command line."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Path

from triage.core.governance import Actor, Conflict, Forbidden, Role
from triage.serve.api.acting import Acting, wrong_value
from triage.serve.api.calibration_models import NewPerson, PersonMade, PersonModel
from triage.serve.problems import problem_responses
from triage.store.calibration_records import PersonRecord
from triage.store.ledger import Ledger

PersonName = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[^\x00]*$")]


def people_router(ledger: Ledger, acting: Acting) -> APIRouter:
    """Adding, listing and disabling people."""
    router = APIRouter(prefix="/api/v1/people", tags=["people"])
    admin = Depends(acting.having(Role.ADMIN))

    @router.post("", status_code=201, summary="Add a person", responses=problem_responses(401, 403, 409, 422))
    def post_person(actor: Annotated[Actor, admin], body: NewPerson) -> PersonMade:
        """Answers the person's key, this once. A name is never given twice. By an admin.

        Approvers are not added here (403): an admin who could make one would hold both keys of an approval.
        """
        if Role.APPROVER in body.roles:
            raise Forbidden("Nobody adds an approver over REST; on the machine of the service run `triage user add`.")
        if any(one.actor.name == body.name for one in ledger.people()):
            raise Conflict(f"There is a {body.name} already; a name is never given to another person.")
        with wrong_value():
            key = ledger.add_person(body.name, body.printed_name, body.roles, by=actor.name)
        return PersonMade(name=body.name, printed_name=body.printed_name, roles=sorted(set(body.roles)), key=key)

    @router.get("", summary="Everybody who may act", dependencies=[admin], responses=problem_responses(401, 403))
    def get_people() -> list[PersonModel]:
        """Disabled people too: their names stand under old acts. By an admin."""
        return [_model(one) for one in ledger.people()]

    @router.get("/me", summary="Whose key this is", responses=problem_responses(401))
    def get_me(actor: Annotated[Actor, Depends(acting)]) -> PersonModel:
        """The person of the key."""
        return PersonModel.of(actor)

    @router.post("/{name}/disable", summary="Disable a person", responses=problem_responses(401, 403, 404))
    def disable(actor: Annotated[Actor, admin], name: PersonName) -> PersonModel:
        """The key stops working at once, for good. By an admin."""
        if all(one.actor.name != name for one in ledger.people()):
            raise HTTPException(404, f"There is no person {name}.")
        ledger.disable_person(name, by=actor.name)
        return next(_model(one) for one in ledger.people() if one.actor.name == name)

    return router


def _model(record: PersonRecord) -> PersonModel:
    return PersonModel.of(record.actor, disabled=record.disabled_at is not None)
