import CRdKafka
import Testing

/// What only tests do to a cluster.
enum RawAdmin {
    /// Deletes a group that has no members, and with it its offsets.
    static func deleteGroup(_ group: String, at bootstrap: String) throws {
        try call(bootstrap, RD_KAFKA_ADMIN_OP_DELETEGROUPS) { handle, options, queue in
            var groups: [OpaquePointer?] = [rd_kafka_DeleteGroup_new(group)]
            rd_kafka_DeleteGroups(handle, &groups, 1, options, queue)
            rd_kafka_DeleteGroup_destroy_array(&groups, 1)
        } result: { event in
            var count = 0
            let results = rd_kafka_DeleteGroups_result_groups(rd_kafka_event_DeleteGroups_result(event), &count)
            return rd_kafka_error_code(rd_kafka_group_result_error(results?[0]))
        }
    }

    /// Deletes the records of a partition that stand before an offset, as retention would.
    static func deleteRecords(of topic: String, _ partition: Int32, before offset: Int64, at bootstrap: String) throws {
        try call(bootstrap, RD_KAFKA_ADMIN_OP_DELETERECORDS) { handle, options, queue in
            let list = rd_kafka_topic_partition_list_new(1)
            rd_kafka_topic_partition_list_add(list, topic, partition)!.pointee.offset = offset
            var deletions: [OpaquePointer?] = [rd_kafka_DeleteRecords_new(list)]
            rd_kafka_DeleteRecords(handle, &deletions, 1, options, queue)
            rd_kafka_DeleteRecords_destroy_array(&deletions, 1)
            rd_kafka_topic_partition_list_destroy(list)
        } result: { event in
            rd_kafka_DeleteRecords_result_offsets(rd_kafka_event_DeleteRecords_result(event))!.pointee.elems[0].err
        }
    }

    /// Sets one property of a topic.
    static func set(_ name: String, _ value: String, of topic: String, at bootstrap: String) throws {
        try call(bootstrap, RD_KAFKA_ADMIN_OP_ALTERCONFIGS) { handle, options, queue in
            var resources: [OpaquePointer?] = [rd_kafka_ConfigResource_new(RD_KAFKA_RESOURCE_TOPIC, topic)]
            rd_kafka_ConfigResource_set_config(resources[0], name, value)
            rd_kafka_AlterConfigs(handle, &resources, 1, options, queue)
            rd_kafka_ConfigResource_destroy_array(&resources, 1)
        } result: { event in
            var count = 0
            let resources = rd_kafka_AlterConfigs_result_resources(rd_kafka_event_AlterConfigs_result(event), &count)
            return rd_kafka_ConfigResource_error(resources?[0])
        }
    }

    private static func call(
        _ bootstrap: String, _ operation: rd_kafka_admin_op_t, _ body: (OpaquePointer, OpaquePointer?, OpaquePointer?) -> Void,
        result: (OpaquePointer) -> rd_kafka_resp_err_t
    ) throws {
        let configuration = rd_kafka_conf_new()
        rd_kafka_conf_set(configuration, "bootstrap.servers", bootstrap, nil, 0)
        let handle = try #require(rd_kafka_new(RD_KAFKA_PRODUCER, configuration, nil, 0))
        defer { rd_kafka_destroy(handle) }
        let queue = rd_kafka_queue_new(handle)
        defer { rd_kafka_queue_destroy(queue) }
        let options = rd_kafka_AdminOptions_new(handle, operation)
        defer { rd_kafka_AdminOptions_destroy(options) }
        body(handle, options, queue)
        let event = try #require(rd_kafka_queue_poll(queue, 30_000))
        defer { rd_kafka_event_destroy(event) }
        try #require(rd_kafka_event_error(event) == RD_KAFKA_RESP_ERR_NO_ERROR)
        let code = result(event)
        try #require(code == RD_KAFKA_RESP_ERR_NO_ERROR, "\(String(cString: rd_kafka_err2str(code)))")
    }
}
