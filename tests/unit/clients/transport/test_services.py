"""The table of services against what it tells of: the servers' settings, their modules, and the contract."""

import importlib
import importlib.util

import pytest
from babelscope.local.mesh import local
from babelscope.transport.channel import mesh_addresses
from babelscope.transport.services import PORTS, SERVICES, USUAL, Service


@pytest.mark.parametrize("service", SERVICES.values(), ids=lambda service: service.name)
def test_a_row_tells_of_a_server(service: Service) -> None:
    assert importlib.util.find_spec(f"{service.module}.__main__") is not None
    settings = getattr(importlib.import_module(f"{service.module}.settings"), f"{service.name.title()}Settings")
    assert settings.model_fields["port"].default == service.port
    contract = importlib.import_module(f"babelscope.v1.{service.name}_pb2").DESCRIPTOR
    assert contract.services_by_name[service.short_name].full_name == service.full_name


def test_ports_and_names_are_distinct() -> None:
    assert list(SERVICES) == [service.name for service in SERVICES.values()]
    assert len(set(PORTS.values())) == len({service.full_name for service in SERVICES.values()}) == len(SERVICES)


def test_a_host_stands_for_all_services() -> None:
    assert mesh_addresses("host") == {name: f"host:{port}" for name, port in PORTS.items()}


def test_a_local_mesh_starts_what_studies_need() -> None:
    assert USUAL == ("encoder", "metrics")
    with pytest.raises(ValueError, match=r"encoder, metrics, datagen, trainer, but got \['judge'\]"):
        local(("judge",))
    with pytest.raises(TypeError, match=r"local\(\) got an unexpected keyword argument 'port'"):
        local(port=3)  # type: ignore[call-arg]
