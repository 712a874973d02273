"""`pave_bucket` through real Terraform, used by a real client."""

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from real_terraform import call

from pave.model.names import Address

MODULE = "local-bucket"
RESOURCE = "module.it.pave_bucket.this"


def client(made, secret=None):
    return boto3.client(
        "s3",
        endpoint_url=made["endpoint"],
        aws_access_key_id=made["access_key_id"],
        aws_secret_access_key=secret or made["secret_key"],
        region_name=made["region"],
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )


@pytest.fixture
def bucket(terraform):
    def make(address):
        terraform.write(call(MODULE, address))
        terraform.apply()
        return terraform.outputs()["it"]

    return make


def refused(act, **arguments):
    with pytest.raises(ClientError) as problem:
        act(**arguments)
    return problem.value.response["Error"]["Code"]


def test_it_is_made_used_and_unchanged(bucket, terraform):
    made = bucket("dev/shop/files")
    store = client(made)
    assert "Contents" not in store.list_objects_v2(Bucket=made["bucket"])
    store.put_object(Bucket=made["bucket"], Key="a/b.txt", Body=b"hello")
    assert store.get_object(Bucket=made["bucket"], Key="a/b.txt")["Body"].read() == b"hello"
    part = store.create_multipart_upload(Bucket=made["bucket"], Key="big")
    sent = store.upload_part(
        Bucket=made["bucket"], Key="big", UploadId=part["UploadId"], PartNumber=1, Body=b"x" * 6_000_000
    )
    store.complete_multipart_upload(
        Bucket=made["bucket"],
        Key="big",
        UploadId=part["UploadId"],
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": sent["ETag"]}]},
    )
    assert store.head_object(Bucket=made["bucket"], Key="big")["ContentLength"] == 6_000_000
    assert terraform.plan() == {}


def test_a_stranger_is_kept_out(bucket, services):
    made = bucket("dev/near/files")
    yours = services.buckets.ensure(Address("dev", "far", "files"))
    mine = client(made)
    for act, more in (
        (mine.list_objects_v2, {}),
        (mine.get_object, {"Key": "a"}),
        (mine.put_object, {"Key": "a", "Body": b"x"}),
        (mine.delete_bucket, {}),
        (mine.copy_object, {"Key": "a", "CopySource": f"{made['bucket']}/a"}),
    ):
        assert refused(act, Bucket=yours.name, **more) == "AccessDenied"
    assert refused(mine.create_bucket, Bucket="one-more") == "AccessDenied"
    assert [one["Name"] for one in mine.list_buckets()["Buckets"]] == [made["bucket"]]
    assert refused(client(made, "wrong").list_objects_v2, Bucket=made["bucket"]) == "SignatureDoesNotMatch"


def test_deleted_by_hand_it_comes_back(bucket, terraform, services):
    made = bucket("dev/dropped/files")
    assert services.buckets.server.s3("DELETE", f"/{made['bucket']}") == 204
    assert terraform.plan() == {RESOURCE: ["create"]}
    terraform.apply()
    again = terraform.outputs()["it"]
    client(again).put_object(Bucket=again["bucket"], Key="a", Body=b"x")


def test_a_key_deleted_by_hand_is_let_in_again(bucket, terraform, services):
    made = bucket("dev/locked/files")
    services.buckets.server.delete_identity("dev-locked-files")
    assert terraform.plan() == {RESOURCE: ["update"]}
    terraform.apply()
    made = terraform.outputs()["it"]
    assert client(made).list_objects_v2(Bucket=made["bucket"])["KeyCount"] == 0


def test_a_removed_one_is_restored_with_its_objects(bucket, terraform, services):
    address = Address("dev", "restored", "files")
    made = bucket(str(address))
    client(made).put_object(Bucket=made["bucket"], Key="kept", Body=b"42")
    terraform.destroy()
    assert refused(client(made).get_object, Bucket=made["bucket"], Key="kept") == "InvalidAccessKeyId"
    newer = bucket(str(address))
    assert newer["bucket"] != made["bucket"]
    services.trash.restore(address)
    assert [one["address"] for one in services.trash.all() if one["type"] == "s3"] == [str(address)]
    assert terraform.plan() == {}
    terraform.apply()
    now = terraform.outputs()["it"]
    assert now["bucket"] == made["bucket"]
    assert client(now).get_object(Bucket=now["bucket"], Key="kept")["Body"].read() == b"42"


def test_what_waited_long_enough_is_deleted_for_good(bucket, terraform, services):
    made = bucket("dev/old/files")
    terraform.destroy()
    waiting = next(one for one in services.trash.all() if one["address"] == "dev/old/files")
    gone = services.trash.purge(waiting["until"])
    assert made["bucket"] in [one.name for one in gone]
    assert services.buckets.server.s3("HEAD", f"/{made['bucket']}") == 404
